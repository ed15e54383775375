//! Whom the door trusts: the authorities that this machine trusts, read when a server first has to be judged by them.
//!
//! To read them costs more than hundreds of polls, and many runs ask no server whose name has to be proved.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;

/// They are read anew after this time: a daemon runs for years, authorities come and go.
const READ_EVERY: Duration = Duration::from_hours(24);

/// One for all clients of the door. `Err`: not what is built in, so it never is.
pub(super) fn config() -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trust = Arc::new(Trust { provider: provider.clone(), machine: Mutex::new(Daily(None)) });
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.dangerous().with_custom_certificate_verifier(trust).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The machine's own verifier, made when it is needed.
#[derive(Debug)]
struct Trust {
    provider: Arc<CryptoProvider>,
    machine: Mutex<Daily<Arc<Verifier>>>,
}

impl Trust {
    fn machine(&self) -> Result<Arc<Verifier>, Error> {
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        machine.get(Instant::now(), || Ok(Arc::new(Verifier::new(self.provider.clone())?)))
    }
}

/// What is read when it is needed, and anew when it is too old.
#[derive(Debug)]
struct Daily<T>(Option<(Instant, T)>);

impl<T: Clone> Daily<T> {
    /// What could not be read is tried again with the next server: somebody may install it meanwhile. What was read
    /// before goes on to hold until then: it may be that very moment that the package is being renewed.
    fn get<E>(&mut self, now: Instant, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        match &self.0 {
            Some((since, known)) if now.duration_since(*since) < READ_EVERY => return Ok(known.clone()),
            Some(_) | None => {}
        }
        match (read(), &self.0) {
            (Ok(anew), _) => {
                self.0 = Some((now, anew.clone()));
                Ok(anew)
            }
            (Err(_), Some((_, known))) => Ok(known.clone()),
            (Err(error), None) => Err(error),
        }
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.machine()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_read_once_a_day() {
        let begin = Instant::now();
        let mut daily = Daily(None);
        let mut at = |hours: u64, read: Result<&'static str, &'static str>| {
            daily.get(begin + Duration::from_hours(hours), || read)
        };
        for (hours, read, expected) in [
            (0, Err("missing"), Err("missing")),
            (0, Ok("installed at once"), Ok("installed at once")),
            (23, Ok("too early"), Ok("installed at once")),
            (24, Err("being renewed"), Ok("installed at once")),
            (25, Ok("renewed"), Ok("renewed")),
            (48, Ok("too early"), Ok("renewed")),
            (49, Ok("another day"), Ok("another day")),
        ] {
            assert_eq!(at(hours, read), expected, "after {hours} hours");
        }
    }
}
