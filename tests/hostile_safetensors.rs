//! Broken and hostile safetensors files: each is a clear error with a place and a way out, never a panic, a
//! signal, or more memory than the file is long.

use std::path::Path;

use bitmill::formats::safetensors::{DtypeName, Header, Reader, SafetensorsError};

/// A file of a header and data.
fn file(json: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend(json.as_bytes());
    bytes.extend(data);
    bytes
}

fn read(bytes: &[u8]) -> Result<Header, SafetensorsError> {
    Header::read(Path::new("m.safetensors"), bytes, bytes.len() as u64)
}

/// The message and the help for bytes that are refused.
fn refusal(bytes: &[u8]) -> String {
    let error = read(bytes).expect_err("it is refused");
    format!("{error}\n{}", error.help().unwrap_or("(no help)"))
}

/// The message for a header over some bytes of zeros.
fn message(json: &str, data: usize) -> String {
    read(&file(json, &vec![0; data])).expect_err("it is refused").to_string()
}

#[test]
fn files_that_are_cut_short() {
    insta::assert_snapshot!(refusal(b""), @r"
m.safetensors: at byte 0: has only 0 bytes: a safetensors file begins with the 8-byte length of its header
the file is cut short, as after an interrupted download or copy; fetch it again
");
    insta::assert_snapshot!(refusal(b"\x08\0\0"), @r"
m.safetensors: at byte 0: has only 3 bytes: a safetensors file begins with the 8-byte length of its header
the file is cut short, as after an interrupted download or copy; fetch it again
");
    insta::assert_snapshot!(refusal(b"\x40\0\0\0\0\0\0\0{\"a\":"), @r"
m.safetensors: at byte 0: declares a header of 64 bytes, but only 5 bytes follow
the file is cut short, as after an interrupted download or copy; fetch it again
");
    let whole = file(r#"{"a.weight":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, &[0; 16]);
    insta::assert_snapshot!(refusal(&whole[..whole.len() - 5]), @r"
m.safetensors: tensor `a.weight`, at byte 9: its data ends 5 bytes past the end of the file
the file is cut short, as after an interrupted download or copy; fetch it again
");
}

#[test]
fn lengths_that_lie() {
    insta::assert_snapshot!(refusal(&[0xff; 64]), @r"
m.safetensors: at byte 0: declares a header of 18,446,744,073,709,551,615 bytes; the format allows 100,000,000 bytes
the file is damaged or of another format; fetch it again, or save it anew with safetensors.torch.save_file
");
    insta::assert_snapshot!(refusal(&[&100_000_001u64.to_le_bytes()[..], b"{}"].concat()), @r"
m.safetensors: at byte 0: declares a header of 100,000,001 bytes; the format allows 100,000,000 bytes
the file is damaged or of another format; fetch it again, or save it anew with safetensors.torch.save_file
");
    insta::assert_snapshot!(refusal(&[&[0; 8][..], b"{}"].concat()), @r"
m.safetensors: at byte 8: the header does not begin with `{`
the file is damaged or of another format; fetch it again, or save it anew with safetensors.torch.save_file
");
}

#[test]
fn files_of_other_formats_are_recognised() {
    let zeros = [0u8; 64];
    for (start, said) in [
        (&b"PK\x03\x04"[..], "zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x80\x02\x8a\x0al\xfc\x9cF", "pickle"),
        (b"\x93NUMPY\x01\0", "NumPy"),
        (b"<!DOCTYPE html><html>", "web page"),
    ] {
        let refused = refusal(&[start, &zeros].concat());
        assert!(refused.contains(said) && !refused.contains("(no help)"), "{refused}");
    }
}

/// A header of 640 bytes begins as a pickle does: such a file that is cut short is no pickle.
#[test]
fn lengths_are_not_taken_for_other_formats() {
    let refused = refusal(&[&640u64.to_le_bytes()[..], b"{\"a\":"].concat());
    assert!(refused.contains("declares a header of 640 bytes, but only 5 bytes follow"), "{refused}");
}

#[test]
fn json_that_is_none() {
    insta::assert_snapshot!(message("[1]", 0), @"m.safetensors: at byte 8: the header does not begin with `{`");
    insta::assert_snapshot!(message(" {}", 0), @"m.safetensors: at byte 8: the header does not begin with `{`");
    insta::assert_snapshot!(message("{", 0), @"m.safetensors: at byte 8: the header cannot be understood: EOF while parsing an object");
    insta::assert_snapshot!(message("{}x", 0), @"m.safetensors: at byte 10: the header cannot be understood: trailing characters");
    insta::assert_snapshot!(message("{\"a\":7}", 0), @"m.safetensors: tensor `a`, at byte 13: the header cannot be understood: invalid type: integer `7`, expected an object with `dtype`, `shape` and `data_offsets`");
    insta::assert_snapshot!(message(&format!("{{\"a\":{}", "[".repeat(100_000)), 0), @"m.safetensors: tensor `a`, at byte 13: the header cannot be understood: invalid type: sequence, expected the name of an element type");
    insta::assert_snapshot!(message("{\"a\":{\"dtype\":\"F32\",\"shape\":[NaN],\"data_offsets\":[0,4]}}", 4), @"m.safetensors: tensor `a`, at byte 37: the header cannot be understood: expected value");
    assert!(refusal(&file("{\"\u{0}", &[])).contains("control character"));
    assert!(refusal(&[&3u64.to_le_bytes()[..], b"{\"\xff"].concat()).contains("cannot be understood"));
}

#[test]
fn entries_of_the_wrong_form() {
    let entry = |entry: &str| message(&format!("{{\"x.weight\":{{{entry}}}}}"), 4);
    insta::assert_snapshot!(entry(r#""shape":[1],"data_offsets":[0,4]"#), @"m.safetensors: tensor `x.weight`, at byte 53: the header cannot be understood: missing field `dtype`");
    insta::assert_snapshot!(entry(r#""dtype":"F32","shape":[-1],"data_offsets":[0,4]"#), @"m.safetensors: tensor `x.weight`, at byte 45: the header cannot be understood: invalid value: integer `-1`, expected a whole number");
    insta::assert_snapshot!(entry(r#""dtype":"F32","shape":[1.0],"data_offsets":[0,4]"#), @"m.safetensors: tensor `x.weight`, at byte 46: the header cannot be understood: invalid type: floating point `1.0`, expected a whole number");
    insta::assert_snapshot!(entry(r#""dtype":"F32","shape":[1],"data_offsets":[0,4,8]"#), @"m.safetensors: tensor `x.weight`, at byte 67: the header cannot be understood: trailing characters");
    insta::assert_snapshot!(entry(r#""dtype":"f 32","shape":[1],"data_offsets":[0,4]"#), @r#"m.safetensors: tensor `x.weight`, at byte 34: the header cannot be understood: invalid value: string "f 32", expected the name of an element type"#);
    insta::assert_snapshot!(entry(r#""dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]"#), @"m.safetensors: tensor `x.weight`, at byte 41: the header cannot be understood: duplicate field `dtype`");
    insta::assert_snapshot!(entry(&format!(r#""dtype":"F32","shape":[{}1],"data_offsets":[0,4]"#, "1,".repeat(64))), @"m.safetensors: tensor `x.weight`, at byte 173: the header cannot be understood: more than 64 dimensions");
    insta::assert_snapshot!(message(r#"{"__metadata__":{"a":{}}}"#, 0), @"m.safetensors: at byte 28: the header cannot be understood: invalid type: map, expected a string");
    insta::assert_snapshot!(message(r#"{"__metadata__":{"a":"1","a":"2"}}"#, 0), @"m.safetensors: at byte 40: the header cannot be understood: `__metadata__` has a name twice");
    insta::assert_snapshot!(message(r#"{"__metadata__":{},"__metadata__":{}}"#, 0), @"m.safetensors: at byte 40: the header cannot be understood: duplicate field `__metadata__`");
}

#[test]
fn shapes_that_overflow_or_do_not_fit() {
    let entry = |dtype: &str, shape: &str, begin: u64, end: u64| {
        message(&format!(r#"{{"x":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}}}"#), 4)
    };
    insta::assert_snapshot!(entry("F32", "[4294967296,4294967296]", 0, 4), @"m.safetensors: tensor `x`, at byte 9: the shape [4294967296, 4294967296] has too many elements");
    insta::assert_snapshot!(entry("F32", "[9223372036854775808,9223372036854775808,0]", 0, 0), @"m.safetensors: tensor `x`, at byte 9: the shape [9223372036854775808, 9223372036854775808, 0] has too many elements");
    insta::assert_snapshot!(entry("F32", "[18446744073709551616]", 0, 4), @"m.safetensors: tensor `x`, at byte 56: the header cannot be understood: invalid type: floating point `1.8446744073709552e+19`, expected a whole number");
    insta::assert_snapshot!(entry("F32", "[2]", 0, 4), @"m.safetensors: tensor `x`, at byte 9: F32 of shape [2] takes 8 bytes, but data_offsets give 4 bytes");
    insta::assert_snapshot!(entry("F4", "[3]", 0, 2), @"m.safetensors: tensor `x`, at byte 9: the shape [3] of F4 does not fill whole bytes");
    insta::assert_snapshot!(entry("F32", "[1]", 4, 0), @"m.safetensors: tensor `x`, at byte 9: its data ends before it begins (data_offsets [4, 0])");
    insta::assert_snapshot!(entry("U8", "[18446744073709551615]", 0, 18446744073709551615), @"m.safetensors: tensor `x`, at byte 9: the shape [18446744073709551615] has too many elements");
    insta::assert_snapshot!(entry("FUTURE9", "[4]", 18446744073709551611, 18446744073709551615), @"m.safetensors: tensor `x`, at byte 9: its data ends 18,446,744,073,709,551,611 bytes past the end of the file");
}

#[test]
fn tensors_that_do_not_fill_the_file_exactly() {
    let two = |a: [u64; 2], b: [u64; 2], data: usize| {
        let entry = |name, [from, to]: [u64; 2]| {
            let shape = to - from;
            format!(r#""{name}":{{"dtype":"U8","shape":[{shape}],"data_offsets":[{from},{to}]}}"#)
        };
        message(&format!("{{{},{}}}", entry("a", a), entry("b", b)), data)
    };
    insta::assert_snapshot!(two([0, 4], [2, 6], 6), @"m.safetensors: tensor `b`, at byte 61: its data overlaps that of `a`");
    insta::assert_snapshot!(two([0, 4], [0, 4], 4), @"m.safetensors: tensor `b`, at byte 61: its data overlaps that of `a`");
    insta::assert_snapshot!(two([0, 4], [6, 8], 8), @"m.safetensors: tensor `b`, at byte 61: 2 bytes before its data belong to no tensor");
    insta::assert_snapshot!(two([0, 4], [4, 8], 10), @"m.safetensors: at byte 121: 2 bytes after the last tensor belong to no tensor");
    insta::assert_snapshot!(two([0, 4], [4, 1000], 10), @"m.safetensors: tensor `b`, at byte 61: its data ends 990 bytes past the end of the file");
}

#[test]
fn names_that_are_none() {
    let entry = r#"{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#;
    let named = |name: &str| message(&format!("{{{name}:{entry}}}"), 1);
    insta::assert_snapshot!(named(r#""""#), @"m.safetensors: tensor ``, at byte 9: the name of a tensor is empty or has control characters");
    insta::assert_snapshot!(named(r#""a\u001b[2J""#), @r"m.safetensors: tensor `a\u{1b}[2J`, at byte 9: the name of a tensor is empty or has control characters");
    let other = r#"{"dtype":"U8","shape":[1],"data_offsets":[1,2]}"#;
    insta::assert_snapshot!(message(&format!(r#"{{"a.b":{entry},"a.b":{other}}}"#), 2), @"m.safetensors: tensor `a.b`, at byte 63: two tensors have this name");
    // The same name in other escapes is the same name.
    insta::assert_snapshot!(message(&format!(r#"{{"a.b":{entry},"\u0061.b":{other}}}"#), 2), @"m.safetensors: tensor `a.b`: two tensors have this name");
}

#[test]
fn what_is_unusual_but_right_is_read() {
    let json = r#"{"__metadata__":null,"s":{"dtype":"F64","shape":[],"data_offsets":[0,8],"more":[[{}]]},"e":{"dtype":"F16","shape":[0,3],"data_offsets":[8,8]},"n":{"dtype":"C128","shape":[2],"data_offsets":[8,40]}}   "#;
    let header = read(&file(json, &[0; 40])).unwrap();
    let names: Vec<&str> = header.tensors.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["e", "n", "s"]);
    assert_eq!(header.tensors[1].dtype, DtypeName::new("C128"));
    assert!(read(&file("{}", &[])).unwrap().tensors.is_empty());
}

#[test]
fn a_file_that_changes_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.safetensors");
    let bytes = file(r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#, &[1, 2, 3, 4]);
    std::fs::write(&path, &bytes).unwrap();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.tensor("a").unwrap(), [1, 2, 3, 4]);
    assert!(reader.tensor("b").unwrap_err().to_string().contains("no tensor of this name"));
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(bytes.len() as u64 - 2).unwrap();
    assert!(reader.tensor("a").unwrap_err().to_string().contains("was changed"));
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    assert!(Reader::open(directory.path()).unwrap_err().to_string().contains("not a regular file"));
    #[cfg(unix)]
    assert!(Reader::open(Path::new("/dev/zero")).unwrap_err().to_string().contains("not a regular file"));
}
