use std::io::Write;

use flate2::Compression;
use proptest::prelude::*;

use super::*;
use crate::ingest::admission::Admission;

const MAX: usize = 1 << 20;

fn compress(coding: Coding, body: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Identity => body.to_vec(),
        Coding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        Coding::Deflate => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        Coding::Zstd => zstd::stream::encode_all(body, 3).unwrap(),
    }
}

fn bare_deflate(body: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn undo(coding: Coding, body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let admission = Admission::new(16 * MAX as u64);
    coding.decompress(body, MAX, &mut admission.admit(0).unwrap())
}

const COMPRESSED: [Coding; 3] = [Coding::Gzip, Coding::Deflate, Coding::Zstd];

proptest! {
    #[test]
    fn what_was_compressed_comes_back(body in proptest::collection::vec(any::<u8>(), 0..4096), level in 0u32..=9) {
        for coding in COMPRESSED {
            prop_assert_eq!(&undo(coding, &compress(coding, &body)).unwrap(), &body);
        }
        prop_assert_eq!(&undo(Coding::Deflate, &bare_deflate(&body, level)).unwrap(), &body);
    }

    #[test]
    fn garbage_is_refused_and_never_panics(body in proptest::collection::vec(any::<u8>(), 1..512)) {
        for coding in COMPRESSED {
            let _ = undo(coding, &body);
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let body: Vec<u8> = (0..2000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    for coding in COMPRESSED {
        let whole = compress(coding, &body);
        for end in 1..whole.len() {
            assert!(matches!(undo(coding, &whole[..end]), Err(Refusal::Corrupt { .. })), "{coding} cut at {end} of {}", whole.len());
        }
    }
    let whole = bare_deflate(&body, 6);
    for end in 1..whole.len() {
        assert!(matches!(undo(Coding::Deflate, &whole[..end]), Err(Refusal::Corrupt { .. })), "bare deflate cut at {end}");
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    for coding in COMPRESSED {
        let mut body = compress(coding, b"hello");
        body.extend_from_slice(b"more");
        assert!(matches!(undo(coding, &body), Err(Refusal::Corrupt { .. })), "{coding}");
    }
}

#[test]
fn several_members_in_a_row_are_one_body() {
    for coding in [Coding::Gzip, Coding::Zstd] {
        let body = [compress(coding, b"one "), compress(coding, b"two")].concat();
        assert_eq!(undo(coding, &body).unwrap(), b"one two");
    }
}

#[test]
fn a_body_of_exactly_the_limit_passes_and_one_more_byte_does_not() {
    for coding in [Coding::Identity, Coding::Gzip, Coding::Deflate, Coding::Zstd] {
        assert_eq!(undo(coding, &compress(coding, &vec![7; MAX])).unwrap().len(), MAX);
        let refusal = undo(coding, &compress(coding, &vec![7; MAX + 1])).unwrap_err();
        assert_eq!(refusal, Refusal::TooLarge { limit_bytes: MAX, decompressed: true }, "{coding}");
    }
}

#[test]
fn a_bomb_costs_at_most_the_bytes_in_flight_that_are_left() {
    for coding in COMPRESSED {
        let bomb = compress(coding, &vec![0; 8 * MAX]);
        assert!(bomb.len() < 16 << 10, "{coding}: {}", bomb.len());
        let admission = Admission::new(200_000);
        let mut permit = admission.admit(bomb.len()).unwrap();
        assert_eq!(coding.decompress(&bomb, 100 * MAX, &mut permit), Err(Refusal::Overloaded));
        assert!(admission.inflight_bytes() <= 200_000);
    }
}

#[test]
fn a_zstd_frame_cannot_make_us_allocate_a_huge_window() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(b"small").unwrap();
    let body = encoder.finish().unwrap();
    assert!(matches!(undo(Coding::Zstd, &body), Err(Refusal::Corrupt { .. })));
}

#[test]
fn one_coding_is_taken_whatever_its_case_and_two_are_not() {
    let read = |values: &[&str]| {
        let values: Vec<HeaderValue> = values.iter().map(|value| HeaderValue::from_str(value).unwrap()).collect();
        Coding::from_headers(&values)
    };
    assert_eq!(read(&[]), Ok(Coding::Identity));
    assert_eq!(read(&[""]), Ok(Coding::Identity));
    assert_eq!(read(&["GZip"]), Ok(Coding::Gzip));
    assert_eq!(read(&["identity, zstd"]), Ok(Coding::Zstd));
    assert_eq!(read(&["deflate", "identity"]), Ok(Coding::Deflate));
    for several in [&["gzip, gzip"][..], &["gzip", "zstd"], &["br"], &["gzip;q=1"]] {
        assert!(matches!(read(several), Err(Refusal::Encoding(_))), "{several:?}");
    }
}

#[test]
fn no_bytes_are_an_empty_body_in_every_coding() {
    for coding in COMPRESSED {
        assert_eq!(undo(coding, b""), Ok(Vec::new()));
    }
}
