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
    let trust = Arc::new(Trust { provider: provider.clone(), machine: Mutex::new(None) });
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.dangerous().with_custom_certificate_verifier(trust).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The machine's own verifier, made when it is needed.
#[derive(Debug)]
struct Trust {
    provider: Arc<CryptoProvider>,
    machine: Mutex<Option<(Instant, Arc<Verifier>)>>,
}

impl Trust {
    /// What could not be read is tried again with the next server: somebody may install it meanwhile.
    fn machine(&self) -> Result<Arc<Verifier>, Error> {
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, verifier)) = machine.as_ref().filter(|(read, _)| read.elapsed() < READ_EVERY) {
            return Ok(verifier.clone());
        }
        let verifier = Arc::new(Verifier::new(self.provider.clone())?);
        *machine = Some((Instant::now(), verifier.clone()));
        Ok(verifier)
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
