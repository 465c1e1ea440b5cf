use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::wire::oracle::{check, check_rewrite};
use crate::wire::otlp::Value;
use crate::wire::rewrite::{Edit, append_attribute};
use crate::wire::samples::Dice;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whatever_prost_decodes_is_walked_the_same(seed in vec(any::<u8>(), 0..1500)) {
        let mut dice = Dice::new(&seed);
        let request = dice.request().encode_to_vec();
        check(&request);
        check(&dice.scramble(&request));
    }

    #[test]
    fn damaged_bytes_are_refused_exactly_where_prost_refuses_them(damage in vec(any::<u8>(), 8), seed in vec(any::<u8>(), 0..800)) {
        let mut dice = Dice::new(&seed);
        let request = dice.request().encode_to_vec();
        let mut scrambled = dice.scramble(&request);
        Dice::new(&damage).damage(&mut scrambled);
        check(&scrambled);
    }

    #[test]
    fn garbage_is_refused_exactly_where_prost_refuses_it(bytes in vec(any::<u8>(), 0..64)) {
        check(&bytes);
    }

    #[test]
    fn edits_on_the_bytes_are_edits_on_the_decoded_request(choices in vec(any::<u8>(), 40), seed in vec(any::<u8>(), 0..1500)) {
        let mut dice = Dice::new(&seed);
        let request = dice.request().encode_to_vec();
        let request = dice.scramble(&request);
        let Ok(decoded) = ExportTraceServiceRequest::decode(&request[..]) else {
            return Ok(());
        };
        let found = inspect(&request, Limits { max_depth: 40 }).expect("prost decodes it");
        let edit = |ordinal: usize| match choices[ordinal % choices.len()] % 4 {
            0 | 1 => Edit::Keep,
            2 => Edit::Drop,
            _ => {
                let mut fields = Vec::new();
                append_attribute(&mut fields, "waxell.session_id", Value::Str(&"s".repeat(ordinal * 30)));
                append_attribute(&mut fields, "", Value::Int(-1));
                Edit::Append(fields)
            }
        };
        check_rewrite(&request, &Some(decoded), &found, edit);
    }
}
