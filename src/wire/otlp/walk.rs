//! Iterating over the messages that one repeated field of a message holds.

use super::Malformed;
use crate::wire::protobuf::reader::Reader;

/// The next message that is field `number` of what `reader` reads; other fields are passed by.
#[inline(always)]
pub(in crate::wire) fn next_message<'a>(reader: &mut Reader<'a>, number: u32) -> Result<Option<Reader<'a>>, Malformed> {
    while let Some(field) = reader.field()? {
        if field.number == number {
            return field.message().map(Some);
        }
    }
    Ok(None)
}

/// Every message that is field `number` of `message`, each read by `read`. After an `Err` there is nothing.
pub(in crate::wire) fn messages<'a, T>(
    message: &'a [u8],
    number: u32,
    mut read: impl FnMut(Reader<'a>) -> Result<T, Malformed>,
) -> impl Iterator<Item = Result<T, Malformed>> {
    let mut reader = Reader::new(message);
    until_error(std::iter::from_fn(move || {
        let next = next_message(&mut reader, number).transpose()?;
        Some(next.and_then(&mut read))
    }))
}

/// The next message `number` inside `current`, or else inside the messages `holder` that are still to come in `holders`.
pub(in crate::wire) fn next_of_any<'a>(
    holders: &mut Reader<'a>,
    holder: u32,
    current: &mut Reader<'a>,
    number: u32,
) -> Result<Option<Reader<'a>>, Malformed> {
    loop {
        if let Some(found) = next_message(current, number)? {
            return Ok(Some(found));
        }
        match next_message(holders, holder)? {
            Some(next) => *current = next,
            None => return Ok(None),
        }
    }
}

/// The same items up to the first `Err`, which is the last.
pub(in crate::wire) fn until_error<T>(items: impl Iterator<Item = Result<T, Malformed>>) -> impl Iterator<Item = Result<T, Malformed>> {
    let mut items = Some(items);
    std::iter::from_fn(move || {
        let item = items.as_mut()?.next();
        if !matches!(item, Some(Ok(_))) {
            items = None;
        }
        item
    })
}
