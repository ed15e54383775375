//! WebSub (W3C Recommendation of 23 January 2018) as rules: what our hub and our subscriber do with what reaches them.
//!
//! May use: `model`, the guard's judgement of addresses, `schedule`'s words. Never: a clock (`now` is a value), the disk,
//! the network, `tokio`; whatever must be unguessable is handed in.
//!
//! ```text
//! hub         requests of subscribers, verification of intent, deliveries: what is sent, what an answer means
//! subscriber  which hub a feed names, our subscription there, how far it is trusted
//! signature   X-Hub-Signature
//! rate        how often one client may ask
//! ```

pub mod hub;
pub mod rate;
pub mod signature;
pub mod subscriber;

use url::Url;

/// Characters of a callback, of a topic.
pub const URL_LENGTH: usize = 2048;
/// Bytes of a secret (§5.1: less than 200).
pub const SECRET_LENGTH: usize = 199;

/// A URL with further parameters behind its own, which stay as they were written (§5.1.1).
fn with_parameters(url: &Url, parameters: &[(&str, &str)]) -> Url {
    let added = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let mut url = url.clone();
    match url.query().filter(|own| !own.is_empty()).map(str::to_owned) {
        Some(own) => url.set_query(Some(&format!("{own}&{added}"))),
        None => url.set_query(Some(&added)),
    }
    url
}

/// The host of a URL, for logs: the rest of a callback is a secret.
pub fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}
