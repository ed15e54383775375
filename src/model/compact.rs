//! How the states of sources are written: short, since every poll reads and writes one. What is as it always is is left
//! out (`skip_serializing_if = "usual"` beside `serde(default)`), and a moment is its seconds since 1970.

use std::fmt;

use chrono::DateTime;
use serde::de::{Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::Time;

/// Is it what reading nothing gives?
pub fn usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// For `Option<Time>`, which is left out where there is none.
pub mod moment {
    use serde::Serializer;

    use super::*;

    pub fn serialize<S: Serializer>(time: &Option<Time>, to: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => to.serialize_i64(time.timestamp()),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Time>, D::Error> {
        Ok(Option::<Moment>::deserialize(from)?.map(|moment| moment.0))
    }
}

/// For `Vec<Time>`.
pub mod moments {
    use serde::Serializer;

    use super::*;

    pub fn serialize<S: Serializer>(times: &[Time], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(times.iter().map(Time::timestamp))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Time>, D::Error> {
        struct Times;

        impl<'de> Visitor<'de> for Times {
            type Value = Vec<Time>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("moments")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut moments: A) -> Result<Vec<Time>, A::Error> {
                let mut times = Vec::new();
                while let Some(Moment(time)) = moments.next_element()? {
                    times.push(time);
                }
                Ok(times)
            }
        }

        from.deserialize_seq(Times)
    }
}

/// Seconds since 1970, or in words (RFC 3339), as earlier versions wrote it.
struct Moment(Time);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Moment, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = Moment;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds since 1970, or a date of RFC 3339")
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Moment, E> {
                let time = DateTime::from_timestamp(seconds, 0);
                time.map(Moment).ok_or_else(|| E::invalid_value(Unexpected::Signed(seconds), &self))
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Moment, E> {
                self.visit_i64(i64::try_from(seconds).unwrap_or(i64::MAX))
            }

            fn visit_str<E: Error>(self, words: &str) -> Result<Moment, E> {
                words.parse().map(Moment).map_err(|_| E::invalid_value(Unexpected::Str(words), &self))
            }
        }

        from.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct State {
        #[serde(with = "moment", skip_serializing_if = "usual")]
        last: Option<Time>,
        #[serde(with = "moments", skip_serializing_if = "usual")]
        seen: Vec<Time>,
        #[serde(skip_serializing_if = "usual")]
        failures: u32,
    }

    #[test]
    fn short_now_and_readable_as_it_was() {
        let time = |words: &str| words.parse::<Time>().unwrap();
        let state =
            State { last: Some(time("2026-11-28T11:17:01Z")), seen: vec![time("1969-12-31T23:59:59Z")], failures: 0 };
        assert_eq!(serde_json::to_string(&state).unwrap(), r#"{"last":1795864621,"seen":[-1]}"#);
        let check = |json: &str| assert_eq!(serde_json::from_str::<State>(json).unwrap(), state, "{json}");
        check(r#"{"last":1795864621,"seen":[-1]}"#);
        check(r#"{"last":"2026-11-28T11:17:01Z","seen":["1969-12-31T23:59:59Z"],"failures":0}"#);
        assert_eq!(serde_json::to_string(&State::default()).unwrap(), "{}");
        assert_eq!(serde_json::from_str::<State>(r#"{"last":null,"seen":[]}"#).unwrap(), State::default());
        for damaged in [r#"{"last":"soon"}"#, r#"{"last":99999999999999999}"#, r#"{"seen":[true]}"#] {
            assert!(serde_json::from_str::<State>(damaged).is_err(), "{damaged}");
        }
    }
}
