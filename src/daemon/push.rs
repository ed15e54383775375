//! What reaches the two WebSub endpoints.

use super::Newsdesk;
use crate::serve::websub::{Call, Said};

impl Newsdesk {
    /// Does a subscription of ours have this token?
    pub fn expects_push(&self, _token: &str) -> bool {
        false
    }

    pub async fn websub(&self, call: Call) -> Said {
        match call {
            Call::Wish { client, form } => self.hub_wish(&client, &form).await,
            Call::Question { .. } => Said::new(404, ""),
            Call::Push(_) => Said::new(410, ""),
        }
    }
}
