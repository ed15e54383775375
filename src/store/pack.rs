//! An entry as it lies in the store: JSON, compressed where that is worth it.

use std::cell::RefCell;
use std::io::Cursor;

use super::StoreError;
use crate::model::Stated;

/// Texts shorter than this gain nothing from compression.
const WORTH_COMPRESSING: usize = 400;
/// No honest entry is larger: its texts are bounded when they are read.
const LARGEST: usize = 64 << 20;

thread_local! {
    // Making a context costs more than packing an entry with it.
    static PACKER: RefCell<zstd::bulk::Compressor<'static>> =
        RefCell::new(zstd::bulk::Compressor::new(1).unwrap_or_default());
    static UNPACKER: RefCell<zstd::bulk::Decompressor<'static>> =
        RefCell::new(zstd::bulk::Decompressor::new().unwrap_or_default());
}

pub(super) fn encode(json: &[u8]) -> Result<Vec<u8>, StoreError> {
    let damaged =
        |cause: Box<dyn std::error::Error + Send + Sync>| StoreError::Damaged { what: "an entry to be written", cause };
    if json.len() >= WORTH_COMPRESSING {
        let length = u32::try_from(json.len()).map_err(|cause| damaged(cause.into()))?;
        let mut data = Vec::with_capacity(5 + zstd::zstd_safe::compress_bound(json.len()));
        data.push(1);
        data.extend_from_slice(&length.to_le_bytes());
        let mut end = Cursor::new(data);
        end.set_position(5);
        PACKER
            .with_borrow_mut(|packer| packer.compress_to_buffer(json, &mut end))
            .map_err(|cause| damaged(cause.into()))?;
        let data = end.into_inner();
        if data.len() < json.len() {
            return Ok(data);
        }
    }
    let mut data = Vec::with_capacity(json.len() + 1);
    data.push(0);
    data.extend_from_slice(json);
    Ok(data)
}

pub(super) fn decode(data: &[u8]) -> Result<Stated, StoreError> {
    let damaged = |cause: Box<dyn std::error::Error + Send + Sync>| StoreError::Damaged { what: "an entry", cause };
    let stated = match data.split_first() {
        Some((0, json)) => serde_json::from_slice(json),
        Some((1, rest)) => {
            let (length, packed) = rest.split_first_chunk::<4>().ok_or_else(|| damaged("cut short".into()))?;
            let length = (u32::from_le_bytes(*length) as usize).min(LARGEST);
            let json = UNPACKER.with_borrow_mut(|unpacker| unpacker.decompress(packed, length));
            let json = json.map_err(|cause| damaged(cause.into()))?;
            serde_json::from_slice(&json)
        }
        _ => return Err(damaged("of no known kind".into())),
    };
    stated.map_err(|cause| damaged(cause.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Html;

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        for length in [0, 10, 5000] {
            let stated =
                Stated { title: "T".into(), content: Some(Html("<p>é</p>".repeat(length))), ..Stated::default() };
            assert_eq!(decode(&encode(&serde_json::to_vec(&stated).unwrap()).unwrap()).unwrap(), stated);
        }
        assert!(decode(&[]).is_err());
        assert!(decode(&[1, 255, 255, 255, 255, 0]).is_err());
    }
}
