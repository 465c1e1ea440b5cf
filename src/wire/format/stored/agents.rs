//! The agents of a session: a million of these blobs are read at a start, so nothing is copied out of them.

use super::UnreadableBlob;
use crate::model::time::UnixNanos;
use crate::wire::protobuf::encode::{Message, put_bytes, put_fixed64, put_varint_field};
use crate::wire::protobuf::reader::Reader;

/// One agent's part in a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AgentPart<'a> {
    pub name: &'a str,
    pub run_count: u32,
    pub first_run: UnixNanos,
    pub last_activity: UnixNanos,
}

/// The bytes are those that prost writes of `AgentShares` in `stored.proto`; a test compares them.
pub fn encode_agents<'a>(parts: impl Iterator<Item = AgentPart<'a>>) -> Vec<u8> {
    let mut out = Vec::new();
    for AgentPart { name, run_count, first_run, last_activity } in parts {
        let message = Message::begin(&mut out, 1);
        if !name.is_empty() {
            put_bytes(&mut out, 1, name.as_bytes());
        }
        if run_count != 0 {
            put_varint_field(&mut out, 2, run_count.into());
        }
        for (number, time) in [(3, first_run), (4, last_activity)] {
            if time != UnixNanos::ZERO {
                put_fixed64(&mut out, number, time.0);
            }
        }
        message.end(&mut out);
    }
    out
}

/// What [`encode_agents`] wrote. Where it is not readable the error is the last item.
pub fn agent_parts(blob: &[u8]) -> impl Iterator<Item = Result<AgentPart<'_>, UnreadableBlob>> {
    let mut shares = Some(Reader::new(blob));
    std::iter::from_fn(move || {
        let part = next_part(shares.as_mut()?).transpose();
        if !matches!(part, Some(Ok(_))) {
            shares = None;
        }
        part
    })
}

fn next_part<'a>(shares: &mut Reader<'a>) -> Result<Option<AgentPart<'a>>, UnreadableBlob> {
    while let Some(share) = shares.field()? {
        if share.number != 1 {
            continue;
        }
        let (mut fields, mut part) = (share.message()?, AgentPart::default());
        while let Some(field) = fields.field()? {
            match field.number {
                1 => part.name = field.text()?,
                // As prost has it, which takes the lower bits.
                2 => part.run_count = field.varint()? as u32,
                3 => part.first_run = UnixNanos(field.fixed64()?),
                4 => part.last_activity = UnixNanos(field.fixed64()?),
                _ => {}
            }
        }
        return Ok(Some(part));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::wire::format::proto::stored::{AgentShare, AgentShares};

    fn of_prost(share: &AgentShare) -> AgentPart<'_> {
        AgentPart {
            name: &share.name,
            run_count: share.run_count,
            first_run: UnixNanos(share.first_run),
            last_activity: UnixNanos(share.last_activity),
        }
    }

    fn read(blob: &[u8]) -> Option<Vec<AgentPart<'_>>> {
        agent_parts(blob).collect::<Result<_, _>>().ok()
    }

    proptest! {
        #[test]
        fn agents_are_written_and_read_as_prost_does(shares in prop::collection::vec(("[a-z\u{e4}]{0,200}", any::<u32>(), 0..3_u64, any::<u64>()), 0..6)) {
            let share = |(name, run_count, first_run, last_activity)| AgentShare { name, run_count, first_run, last_activity };
            let message = AgentShares { shares: shares.into_iter().map(share).collect() };
            let blob = encode_agents(message.shares.iter().map(of_prost));
            prop_assert_eq!(&blob, &message.encode_to_vec());
            prop_assert_eq!(read(&blob), Some(message.shares.iter().map(of_prost).collect()));
        }

        #[test]
        fn what_prost_cannot_read_is_not_read(bytes in prop::collection::vec(prop_oneof![0..12_u8, Just(b'a'), any::<u8>()], 0..40)) {
            let message = AgentShares::decode(&bytes[..]).ok();
            prop_assert_eq!(read(&bytes), message.as_ref().map(|message| message.shares.iter().map(of_prost).collect()));
        }
    }
}
