//! The reasons why TLS with a host fails, in plain words with the fix.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// The reason why TLS with a host failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsProblem {
    /// No trusted authority signed the certificate.
    UnknownAuthority,
    /// The certificate is that of an authority, as one that signs itself.
    SelfSigned,
    /// The certificate is not valid any more.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// The certificate is for other names.
    OtherName,
    /// The authority has revoked the certificate.
    Revoked,
    /// Anything else about the certificate.
    Certificate,
    /// The host and this program share no version of TLS or no cipher.
    TooOld,
    /// The host wants a certificate of this program.
    ClientCertificate,
    /// The host refused the handshake.
    Refused,
    /// The answer is not TLS.
    NotTls,
    /// The host ended the connection within the handshake.
    BrokenOff,
}

impl TlsProblem {
    /// Returns the reason if TLS is what failed.
    pub fn find(error: &(dyn StdError + 'static)) -> Option<Self> {
        if let Some(error) = find_cause::<Error>(error) {
            return Some(Self::of_library(error));
        }
        let broken = find_cause::<io::Error>(error)?;
        // The words of the TLS library for a connection that ended within the handshake.
        let is_handshake = broken.to_string() == "tls handshake eof";
        (broken.kind() == io::ErrorKind::UnexpectedEof && is_handshake).then_some(Self::BrokenOff)
    }

    fn of_library(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::NoCertificatesPresented => Self::Certificate,
            Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => Self::NotTls,
            // An answer with a version or a cipher that was not offered.
            Error::PeerIncompatible(_) | Error::PeerMisbehaved(_) => Self::TooOld,
            Error::AlertReceived(alert) => match alert {
                AlertDescription::ProtocolVersion
                | AlertDescription::InsufficientSecurity
                | AlertDescription::HandshakeFailure => Self::TooOld,
                AlertDescription::CertificateRequired => Self::ClientCertificate,
                // A load balancer says so for a moment, while its hosts change.
                AlertDescription::InternalError | AlertDescription::UserCanceled => Self::BrokenOff,
                _ => Self::Refused,
            },
            _ => Self::Refused,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownAuthority,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::OtherName
            }
            CertificateError::Revoked => Self::Revoked,
            // The library tells it in words only.
            CertificateError::Other(error) if error.0.to_string() == "CaUsedAsEndEntity" => {
                Self::SelfSigned
            }
            _ => Self::Certificate,
        }
    }

    /// Describes the problem and what to do. `authority_advice` says how to trust a further authority.
    pub fn describe(self, authority_advice: &str) -> String {
        let fixed = match self {
            Self::UnknownAuthority => {
                return format!(
                    "this machine does not trust the authority that signed its certificate ({authority_advice})"
                );
            }
            Self::SelfSigned => {
                "its certificate signs itself, as those for tests do (the host needs a certificate that an authority has \
                 signed)"
            }
            Self::Expired => {
                "its certificate has expired (check this machine's clock; if it is right, the host needs a new certificate)"
            }
            Self::NotYetValid => "its certificate is not valid yet (check this machine's clock)",
            Self::OtherName => {
                "its certificate is for another name (check the host's name, and that nothing else answers in its place)"
            }
            Self::Revoked => {
                "the authority has revoked its certificate (the host needs a new certificate)"
            }
            Self::Certificate => {
                "its certificate cannot be used (the host needs another certificate, signed by an authority)"
            }
            Self::TooOld => {
                "it offers no version of TLS, or no cipher, that is safe today (it must offer TLS 1.2 or 1.3)"
            }
            Self::ClientCertificate => {
                "it wants a certificate of this program, which has none (check that this is the right address)"
            }
            Self::Refused => "it refused the TLS handshake (check its address and its log)",
            Self::NotTls => {
                "it does not speak TLS (check its address and port, and that nothing else answers in its place)"
            }
            Self::BrokenOff => {
                "it ended the connection within the TLS handshake (check its port, a firewall or proxy)"
            }
        };
        fixed.to_owned()
    }
}

/// The way to trust a further authority for every connection that the configuration describes.
pub(crate) const CA_FILE_ADVICE: &str = "if it is your company's authority, or that of a proxy that inspects TLS, set \
                                  `ca_file = \"authority.pem\"` under `[nexthink]`";

/// Describes why TLS failed, with the library's own words behind it; none if TLS is not what failed.
pub fn describe_tls_failure(error: &(dyn StdError + 'static)) -> Option<String> {
    let problem = TlsProblem::find(error)?;
    let technical = crate::error::SharedError::root_of(error);
    Some(format!("{}: {technical}", problem.describe(CA_FILE_ADVICE)))
}

/// Returns the first `E` among the causes of `error`.
pub(crate) fn find_cause<'a, E: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // An I/O error does not count what it wraps as its source.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = wrapped.and_then(|wrapped| find_cause::<E>(wrapped)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_inside_an_io_error_is_found() {
        let inner = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let error = io::Error::other(io::Error::other(inner));
        assert_eq!(TlsProblem::find(&error), Some(TlsProblem::UnknownAuthority));
        assert_eq!(TlsProblem::find(&io::Error::other("invented")), None);
    }

    #[test]
    fn each_failure_of_the_handshake_has_its_own_words_and_those_of_the_library() {
        let alert = Error::AlertReceived;
        let certificate = Error::InvalidCertificate;
        for (error, expected, technical) in [
            (certificate(CertificateError::UnknownIssuer), "`ca_file = ", "UnknownIssuer"),
            (certificate(CertificateError::Expired), "has expired", "Expired"),
            (certificate(CertificateError::NotValidYet), "not valid yet", "NotValidYet"),
            (certificate(CertificateError::NotValidForName), "another name", "NotValidForName"),
            (certificate(CertificateError::Revoked), "revoked", "Revoked"),
            (certificate(CertificateError::BadSignature), "cannot be used", "BadSignature"),
            (alert(AlertDescription::HandshakeFailure), "TLS 1.2 or 1.3", "HandshakeFailure"),
            (alert(AlertDescription::CertificateRequired), "which has none", "CertificateRequired"),
            (alert(AlertDescription::UnrecognisedName), "refused", "UnrecognisedName"),
            (alert(AlertDescription::InternalError), "ended the connection", "InternalError"),
        ] {
            let described = describe_tls_failure(&io::Error::other(error)).expect("it is TLS");
            assert!(described.contains(expected), "{described}");
            let (_, behind) = described.rsplit_once("): ").expect("the library's words are behind");
            assert!(behind.contains(technical), "{described}");
        }
    }

    #[test]
    fn only_an_end_within_the_handshake_is_one_of_tls() {
        let eof = |words: &'static str| io::Error::new(io::ErrorKind::UnexpectedEof, words);
        assert_eq!(TlsProblem::find(&eof("tls handshake eof")), Some(TlsProblem::BrokenOff));
        assert_eq!(TlsProblem::find(&eof("unexpected end of file")), None);
    }
}
