//! X-Hub-Signature (§7.1): `method=HEX`, an HMAC of the body with the secret of the subscription as its key.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

pub const HEADER: &str = "x-hub-signature";

/// What our hub sends: SHA-1 is known to be weak, and every subscriber since 2018 reads this one.
pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut text = String::from("sha256=");
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return text };
    mac.update(body);
    for byte in mac.finalize().into_bytes() {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// Does the header prove that the body comes from one who knows the secret? Whichever of the registered methods the hub
/// has chosen; compared in constant time.
pub fn proves(header: &str, secret: &str, body: &[u8]) -> bool {
    let Some((method, hex)) = header.trim().split_once('=') else { return false };
    let Some(stated) = bytes(hex.trim()) else { return false };
    match method.trim().to_ascii_lowercase().as_str() {
        "sha1" => check::<Hmac<Sha1>>(secret, body, &stated),
        "sha256" => check::<Hmac<Sha256>>(secret, body, &stated),
        "sha384" => check::<Hmac<Sha384>>(secret, body, &stated),
        "sha512" => check::<Hmac<Sha512>>(secret, body, &stated),
        _ => false,
    }
}

fn check<M: Mac + KeyInit>(secret: &str, body: &[u8], stated: &[u8]) -> bool {
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(body);
    // Refuses any other length than the method's own: a shortened signature proves less.
    mac.verify_slice(stated).is_ok()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    // The longest is SHA-512's.
    if hex.len() > 128 || !hex.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    hex.as_bytes().chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 §4.3 and RFC 2202: key "Jefe".
    const BODY: &[u8] = b"what do ya want for nothing?";
    const SIGNATURES: [&str; 4] = [
        "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "sha384=af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        "sha512=164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    ];

    #[test]
    fn every_registered_method() {
        for header in SIGNATURES {
            assert!(proves(header, "Jefe", BODY), "{header}");
            assert!(proves(&header.to_uppercase(), "Jefe", BODY), "{header}");
            assert!(!proves(header, "Jefa", BODY), "{header}");
            assert!(!proves(header, "Jefe", b"something else"), "{header}");
        }
        assert_eq!(sign("Jefe", BODY), SIGNATURES[1]);
    }

    #[test]
    fn what_proves_nothing() {
        let whole = SIGNATURES[1];
        let other_method = whole.replace("sha256", "sha1");
        let shortened = whole.split_at(whole.len() - 2).0;
        let longer = format!("{whole}00");
        let cases =
            ["", "=", "sha256", "sha256=", "md5=00", "sha256=zz", "sha256=é", &other_method, shortened, &longer];
        for header in cases {
            assert!(!proves(header, "Jefe", BODY), "{header}");
        }
    }
}
