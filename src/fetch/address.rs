//!
/// One entry of `[fetch] allow-networks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowNetwork;
