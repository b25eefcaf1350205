use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::*;
use crate::formats::pt2::testing::{Zip, zip};

fn names(bytes: &[u8]) -> Result<Vec<String>, String> {
    let found = members(&mut Cursor::new(bytes), bytes.len() as u64).map_err(|fault| fault.to_string())?;
    Ok(found.into_iter().map(|member| member.name).collect())
}

fn content(bytes: &[u8], name: &str) -> Result<Vec<u8>, String> {
    let mut source = Cursor::new(bytes);
    let found = members(&mut source, bytes.len() as u64).map_err(|fault| fault.to_string())?;
    let member = found.iter().find(|member| member.name == name).expect("it is there");
    read(&mut source, member, 1 << 20).map_err(|fault| fault.to_string())
}

fn refused(bytes: &[u8]) -> String {
    names(bytes).expect_err("it is refused")
}

fn two() -> Zip {
    Zip::default().stored("m/a", b"first").stored("m/b", b"second")
}

#[test]
fn stored_and_deflated_members_are_read() {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&[7; 5000]).expect("memory takes it");
    let data = encoder.finish().expect("it is whole");
    let bytes = two().deflated("m/c", &data, 5000).stored("m/empty/", b"").bytes();
    assert_eq!(names(&bytes), Ok(["m/a", "m/b", "m/c"].map(str::to_owned).to_vec()));
    assert_eq!(content(&bytes, "m/b"), Ok(b"second".to_vec()));
    assert_eq!(content(&bytes, "m/c"), Ok(vec![7; 5000]));
    for claimed in [4999, 5001] {
        let bytes = Zip::default().deflated("m/c", &data, claimed).bytes();
        assert_eq!(content(&bytes, "m/c"), Err("its member `m/c` does not decompress".into()));
    }
}

#[test]
fn directories_of_64_bits_are_read() {
    let bytes = two().wide().bytes();
    assert_eq!(names(&bytes), Ok(["m/a", "m/b"].map(str::to_owned).to_vec()));
    assert_eq!(content(&bytes, "m/b"), Ok(b"second".to_vec()));
    // The record of 64 bits somewhere else than its locator says.
    let mut moved = bytes.clone();
    let at = moved.len() - 22 - 20 + 8;
    moved[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(refused(&moved), "its directory is damaged: its record of 64 bits is not in the file");
    moved[at..at + 8].copy_from_slice(&0_u64.to_le_bytes());
    assert_eq!(refused(&moved), "its directory is damaged: its record of 64 bits is not where it should be");
}

#[test]
fn bombs_are_refused_before_they_are_read() {
    let bytes = Zip::default().deflated("m/c", &[0; 10], 1 << 30).bytes();
    assert_eq!(refused(&bytes), "its entry for `m/c` is damaged: it claims more than its data can hold");
    let mut large = members(&mut Cursor::new(two().bytes()), two().bytes().len() as u64).expect("it is read");
    (large[0].size, large[0].compressed) = (u64::MAX, u64::MAX);
    let read = read(&mut Cursor::new(two().bytes()), &large[0], 100).expect_err("it is too large");
    assert!(read.to_string().ends_with("at most 100 bytes are read"), "{read}");
}

#[test]
fn names_stay_inside_and_stand_once() {
    for name in ["../a", "/a", "m/../a", "m//a", "m/./a", "m\\a", "", "C:/a", "m/\0"] {
        let bytes = Zip::default().stored(name, b"x").bytes();
        assert!(refused(&bytes).ends_with("is damaged: its name leads out of the archive"), "{name}");
    }
    assert_eq!(refused(&two().stored("m/a", b"third").bytes()), "holds two members that are called `m/a`");
}

#[test]
fn members_do_not_share_bytes() {
    // The second entry points at the header of a member within the first one's content.
    let inner = Zip::default().stored("m/b", b"second").bytes();
    let bytes = Zip::default().stored("m/a", &inner).entry_only("m/b", 6, 33).bytes();
    assert_eq!(refused(&bytes), "its members `m/a` and `m/b` overlap");
    let bytes = Zip::default().stored("m/a", b"first").entry_only("m/b", 6, 0).bytes();
    assert!(refused(&bytes).contains("its header says otherwise than the directory"));
}

#[test]
fn what_is_cut_or_is_no_archive_is_refused() {
    let bytes = two().bytes();
    for len in 0..bytes.len() {
        assert!(names(&bytes[..len]).is_err());
    }
    assert!(refused(b"no archive at all, but long enough to hold a directory").starts_with("is not a zip archive"));
    assert_eq!(refused(&zip(&[("m/a", b"x")]).encrypted().bytes()), "its member `m/a` is encrypted");
}

#[test]
fn any_byte_may_be_wrong() {
    let bytes = two().wide().bytes();
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut changed = bytes.clone();
            changed[at] = value;
            if let Ok(found) = members(&mut Cursor::new(&changed), changed.len() as u64) {
                for member in found {
                    assert!(member.offset + member.compressed <= changed.len() as u64);
                    let _ = read(&mut Cursor::new(&changed), &member, 1 << 20);
                }
            }
        }
    }
}
