use std::io::{Cursor, Write};

use proptest::prelude::*;

use super::*;
use crate::element::ElementType;

/// What coremltools writes for values of packed types: type, elements, bytes, unused bits.
const PACKED: &[(ElementType, u64, &[u8], u8)] = &[
    (ElementType::Uint1, 10, &[0x8d, 0x03], 6),
    (ElementType::Uint2, 5, &[0x6c, 0x03], 6),
    (ElementType::Uint3, 10, &[0xd1, 0x58, 0x1f, 0x2f], 2),
    (ElementType::Uint4, 3, &[0x21, 0x03], 4),
    (ElementType::Uint6, 5, &[0x81, 0x30, 0xfc, 0x21], 2),
    (ElementType::Int4, 5, &[0x78, 0x0f, 0x03], 4),
    (ElementType::Fp16, 2, &[0x00, 0x3c, 0x00, 0xc0], 0),
];

fn packed_file() -> (Vec<u8>, Vec<u64>) {
    let mut writer = BlobWriter::create(Cursor::new(vec![])).unwrap();
    let offsets = PACKED.iter().map(|(t, n, bytes, _)| writer.push(*t, *n, bytes).unwrap()).collect();
    assert_eq!(writer.count(), PACKED.len() as u32);
    (writer.finish().unwrap().into_inner(), offsets)
}

/// The fault of a file after some bytes of it were changed, read at an offset.
fn fault(change: impl FnOnce(&mut Vec<u8>), offset: u64) -> String {
    let (mut file, _) = packed_file();
    change(&mut file);
    match BlobReader::new(&file) {
        Err(error) => error.to_string(),
        Ok(reader) => reader.read(offset).unwrap_err().to_string(),
    }
}

#[test]
fn packed_types_are_read_as_they_were_written() {
    let (file, offsets) = packed_file();
    assert_eq!(offsets, [64, 192, 320, 448, 576, 704, 832]);
    let reader = BlobReader::new(&file).unwrap();
    for ((element, elements, bytes, padding_bits), offset) in PACKED.iter().zip(&offsets) {
        let blob = reader.read(*offset).unwrap();
        assert_eq!(blob, Blob { element: *element, bytes, padding_bits: *padding_bits });
        assert_eq!(blob.elements(), *elements);
    }
    let walked: Vec<u64> = reader.blobs().map(|blob| blob.unwrap().0).collect();
    assert_eq!(walked, offsets);
}

#[test]
fn the_layout_is_that_of_a_real_file() {
    // int4 weights of 64 x 48 in blocks of 16, fp16 scales, and an fp32 bias.
    let mut writer = BlobWriter::create(Cursor::new(vec![])).unwrap();
    let offsets = [
        writer.push(ElementType::Int4, 3072, &[7; 1536]).unwrap(),
        writer.push(ElementType::Fp16, 192, &[8; 384]).unwrap(),
        writer.push(ElementType::Fp32, 32, &[9; 128]).unwrap(),
    ];
    assert_eq!((offsets, writer.len()), ([64, 1664, 2112], 2304));
    let file = writer.finish().unwrap().into_inner();
    assert_eq!(file.len(), 2304);
    assert_eq!(file[..8], [3, 0, 0, 0, 2, 0, 0, 0]);
    assert!(file[8..64].iter().all(|byte| *byte == 0));
    let record = [[0xef, 0xbe, 0xad, 0xde, 8, 0, 0, 0], [0, 6, 0, 0, 0, 0, 0, 0], [0x80, 0, 0, 0, 0, 0, 0, 0]];
    assert_eq!(file[64..88], record.concat());
    assert!(file[88..128].iter().all(|byte| *byte == 0));
}

#[test]
fn a_file_without_blobs_is_its_header() {
    let file = BlobWriter::create(Cursor::new(vec![])).unwrap().finish().unwrap().into_inner();
    assert_eq!(file.len(), 64);
    let reader = BlobReader::new(&file).unwrap();
    assert_eq!((reader.count(), reader.blobs().count()), (0, 0));
    assert!(matches!(reader.read(64).unwrap_err().fault, BlobFault::RecordBeyondFile { file: 64 }));
}

#[test]
fn headers_that_are_none() {
    let set = |at: usize, value: u32| move |file: &mut Vec<u8>| file[at..at + 4].copy_from_slice(&value.to_le_bytes());
    insta::assert_snapshot!(fault(|file| file.truncate(63), 64), @"at byte 0: the file has only 63 bytes; the header of a file of weights takes 64");
    insta::assert_snapshot!(fault(|file| file.clear(), 64), @"at byte 0: the file has only 0 bytes; the header of a file of weights takes 64");
    insta::assert_snapshot!(fault(set(4, 1), 64), @"at byte 4: the file has version 1, that of neural networks; ML Programs use version 2");
    insta::assert_snapshot!(fault(set(4, 0x6f74), 64), @"at byte 4: this is not a file of weights: the version is 0x6f74 where version 2 stands");
}

#[test]
fn records_that_lie() {
    let set32 =
        |at: usize, value: u32| move |file: &mut Vec<u8>| file[at..at + 4].copy_from_slice(&value.to_le_bytes());
    let set64 =
        |at: usize, value: u64| move |file: &mut Vec<u8>| file[at..at + 8].copy_from_slice(&value.to_le_bytes());
    let nothing = |_: &mut Vec<u8>| {};
    for unaligned in [0, 1, 63, 65, 96, u64::MAX] {
        assert!(fault(nothing, unaligned).contains("no blob begins here: blobs begin at multiples of 64"));
    }
    insta::assert_snapshot!(fault(nothing, 128), @"at byte 128: no blob begins here: 0x0000038d stands where the mark 0xdeadbeef of a blob does");
    insta::assert_snapshot!(fault(nothing, 896), @"at byte 896: no blob begins here: the file ends at byte 900");
    insta::assert_snapshot!(fault(nothing, u64::MAX - 63), @"at byte 18446744073709551552: no blob begins here: the file ends at byte 900");
    insta::assert_snapshot!(fault(set32(64, 0xdeadbee0), 64), @"at byte 64: no blob begins here: 0xdeadbee0 stands where the mark 0xdeadbeef of a blob does");
    insta::assert_snapshot!(fault(set32(68, 0), 64), @"at byte 64: the blob has an element type of number 0, which is not known");
    insta::assert_snapshot!(fault(set32(68, 18), 64), @"at byte 64: the blob has an element type of number 18, which is not known");
    insta::assert_snapshot!(fault(set64(72, 900 - 127), 64), @"at byte 64: the data of the blob, 773 bytes from byte 128, end past the end of the file at 900");
    insta::assert_snapshot!(fault(set64(72, u64::MAX), 64), @"at byte 64: the data of the blob, 18,446,744,073,709,551,615 bytes from byte 128, end past the end of the file at 900");
    insta::assert_snapshot!(fault(set64(80, u64::MAX), 64), @"at byte 64: the data of the blob, 2 bytes from byte 18446744073709551615, end past the end of the file at 900");
    insta::assert_snapshot!(fault(set64(80, 126), 64), @"at byte 64: the data of the blob, 2 bytes from byte 126, lie over its own record or the header");
    insta::assert_snapshot!(fault(set64(208, 0), 192), @"at byte 192: the data of the blob, 2 bytes from byte 0, lie over its own record or the header");
    for padding in [1, 4, 7, 8, 14, 256, u64::MAX] {
        assert!(fault(set64(88 + 256, padding), 320).contains("are no whole number of uint3"), "{padding}");
    }
    insta::assert_snapshot!(fault(set64(216, 5), 192), @"at byte 192: the data of the blob, 2 bytes with 5 unused bits, are no whole number of uint2");
    insta::assert_snapshot!(fault(set64(840, 3), 832), @"at byte 832: the data of the blob, 3 bytes with 0 unused bits, are no whole number of fp16");
}

#[test]
fn old_files_have_garbage_where_whole_bytes_need_nothing() {
    let (mut file, _) = packed_file();
    file[832 + 24..896].fill(0xa5);
    assert_eq!(BlobReader::new(&file).unwrap().read(832).unwrap().padding_bits, 0);
}

#[test]
fn a_file_cut_anywhere_is_an_error_and_no_walk_is_endless() {
    let (file, offsets) = packed_file();
    for len in 0..file.len() {
        let Ok(reader) = BlobReader::new(&file[..len]) else { continue };
        assert!(reader.read(*offsets.last().unwrap()).is_err());
        assert!(reader.blobs().last().unwrap().is_err());
    }
    // A record whose data lie before it, and a count of four thousand millions.
    let mut file = file;
    file[..4].fill(0xff);
    file[192 + 16..192 + 24].copy_from_slice(&128u64.to_le_bytes());
    assert!(BlobReader::new(&file).unwrap().blobs().count() < 10);
}

#[test]
fn what_does_not_fit_is_not_written() {
    let mut writer = BlobWriter::create(Cursor::new(vec![])).unwrap();
    let error = writer.push(ElementType::Uint3, 10, &[0; 3]).unwrap_err();
    insta::assert_snapshot!(error, @"uint3[10] takes 4 bytes, and 3 bytes were given");
    insta::assert_snapshot!(writer.push(ElementType::Int64, 1, &[0; 8]).unwrap_err(), @"int64[1] cannot be stored in a file of weights");
    writer.push(ElementType::Fp32, u64::MAX, &[]).unwrap_err();
    writer.push_with(ElementType::Uint8, u64::MAX - 100, |_| panic!("there is no room")).unwrap_err();
    // These were refused before anything was written.
    assert_eq!(writer.push(ElementType::Uint8, 2, &[1, 2]).unwrap(), 64);
    // This was not: one byte too few, and one too many.
    for given in [3usize, 5] {
        let mut writer = BlobWriter::create(Cursor::new(vec![])).unwrap();
        let error = writer.push_with(ElementType::Uint8, 4, |out| (0..given).try_for_each(|_| out.write_all(&[1])));
        assert!(matches!(error, Err(BlobWriteError::Length { needed: 4, given: g, .. }) if g == given as u64));
        assert!(matches!(writer.push(ElementType::Uint8, 0, &[]), Err(BlobWriteError::Broken)));
        assert!(matches!(writer.finish(), Err(BlobWriteError::Broken)));
    }
}

#[test]
fn a_file_may_begin_behind_something_else() {
    let mut out = Cursor::new(vec![]);
    out.write_all(b"before").unwrap();
    let mut writer = BlobWriter::create(out).unwrap();
    assert_eq!(writer.push(ElementType::Uint8, 2, &[1, 2]).unwrap(), 64);
    let out = writer.finish().unwrap();
    assert_eq!(out.position(), 6 + 130);
    let bytes = out.into_inner();
    assert_eq!(BlobReader::new(&bytes[6..]).unwrap().read(64).unwrap().bytes, [1, 2]);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 64..300), offset in 0u64..5) {
        let mut bytes = bytes;
        bytes[4..8].copy_from_slice(&2u32.to_le_bytes());
        if let Some(record) = bytes.get_mut(64..72) {
            record[..4].copy_from_slice(&SENTINEL.to_le_bytes());
            record[5..].fill(0);
        }
        let reader = BlobReader::new(&bytes).unwrap();
        let _ = reader.read(offset * 64).map(|blob| blob.elements());
        prop_assert!(reader.blobs().count() <= 5);
    }

    #[test]
    fn what_was_written_is_read(blobs in prop::collection::vec((1u32..=17, 0u64..200, any::<u8>()), 0..8)) {
        let mut writer = BlobWriter::create(Cursor::new(vec![])).unwrap();
        let mut expected = vec![];
        for (storage, elements, fill) in blobs {
            let element = ElementType::from_storage(storage).unwrap();
            let bytes = vec![fill; element.bytes_for(elements).unwrap() as usize];
            expected.push((writer.push(element, elements, &bytes).unwrap(), element, elements, bytes));
        }
        let file = writer.finish().unwrap().into_inner();
        let reader = BlobReader::new(&file).unwrap();
        let read: Vec<_> = reader
            .blobs()
            .map(|blob| blob.map(|(at, b)| (at, b.element, b.elements(), b.bytes.to_vec())).unwrap())
            .collect();
        prop_assert_eq!(&read, &expected);
        // Copied to another file they are the same bytes.
        let mut writer = BlobWriter::create(Cursor::new(vec![])).unwrap();
        for blob in reader.blobs() {
            writer.copy(&blob.unwrap().1).unwrap();
        }
        prop_assert_eq!(writer.finish().unwrap().into_inner(), file);
    }
}
