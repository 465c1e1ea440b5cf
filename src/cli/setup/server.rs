//! What the server's configuration means for an agent that is to send to it.

use http::Uri;
use http::uri::Scheme;

use crate::cli::url_of;
use crate::config::Config;

/// The server as an agent needs to know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Server {
    /// Its address for OTLP over HTTP, without a slash at its end.
    pub address: String,
    pub needs_key: bool,
    pub is_tls: bool,
    /// It asks its clients for certificates.
    pub wants_certificates: bool,
    /// Only programs of this machine reach the address.
    pub is_local: bool,
}

/// By the settings that it runs with, or at the address that it is given.
pub(super) fn server(config: &Config, endpoint: Option<&str>) -> Result<Server, String> {
    let address = match endpoint {
        Some(endpoint) => base(endpoint)?,
        None => url_of(config, &config.server.otlp_http)
            .ok_or("--otlp-http has port 0, so that the port is known only to the running server: say it with --endpoint")?,
    };
    let settings = &config.server;
    Ok(Server {
        is_tls: address.starts_with("https:"),
        is_local: is_local(&address),
        address,
        needs_key: config.auth.is_on(),
        wants_certificates: !settings.tls_client_ca.as_os_str().is_empty(),
    })
}

fn base(endpoint: &str) -> Result<String, String> {
    let refused = || format!("--endpoint {endpoint:?}: expected an address such as https://sessionfold.example:4318");
    let uri: Uri = endpoint.parse().map_err(|_| refused())?;
    let is_http = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
    // A password would stand in everybody's settings.
    let is_plain = uri.query().is_none() && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if !is_http || !is_plain {
        return Err(refused());
    }
    let base = endpoint.trim_end_matches('/');
    if ["/v1/traces", "/v1/logs", "/v1/metrics"].iter().any(|path| base.ends_with(path)) {
        return Err(format!("--endpoint {endpoint:?}: leave /v1/... out, each agent has it appended where it needs it"));
    }
    Ok(base.to_owned())
}

fn is_local(address: &str) -> bool {
    let uri: Option<Uri> = address.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(otlp_http: &str, tls: &str) -> Result<String, String> {
        let mut config = Config::default();
        config.server.otlp_http = otlp_http.parse().unwrap();
        config.server.tls_cert = tls.into();
        server(&config, None).map(|server| server.address)
    }

    #[test]
    fn a_listener_everywhere_is_reached_on_loopback_and_a_name_stays_one() {
        assert_eq!(address("127.0.0.1:4318", ""), Ok("http://127.0.0.1:4318".into()));
        assert_eq!(address("0.0.0.0:4318", ""), Ok("http://127.0.0.1:4318".into()));
        assert_eq!(address("[::]:4318", ""), Ok("http://[::1]:4318".into()));
        assert_eq!(address("10.0.0.7:14318", ""), Ok("http://10.0.0.7:14318".into()));
        assert_eq!(address("sessionfold.agents.svc:4318", "cert.pem"), Ok("https://sessionfold.agents.svc:4318".into()));
        assert!(address("127.0.0.1:0", "").unwrap_err().contains("--endpoint"));
    }

    #[test]
    fn an_address_that_is_given_is_taken_as_a_base() {
        let at = |endpoint: &str| server(&Config::default(), Some(endpoint)).map(|server| (server.address, server.is_tls, server.is_local));
        assert_eq!(at("https://sf.example/otlp/"), Ok(("https://sf.example/otlp".into(), true, false)));
        assert_eq!(at("http://[::1]:4318"), Ok(("http://[::1]:4318".into(), false, true)));
        for wrong in ["sf.example:4318", "ftp://a", "http://a/v1/logs", "http://u:p@a:1", "http://a?b=c", ""] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }
}
