//! The way to Nexthink's hosts: certificates of further authorities, the proxy.

use super::*;

#[test]
fn a_file_of_authorities_without_a_certificate_is_named() {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    let file = folder.path().join("ca.pem");
    core_files::replace_file(&file, b"not a certificate").expect("it is ours");
    let text =
        WHOLE.replace("region =", &format!("ca_file = {:?}\nregion =", file.display().to_string()));
    let problems = parse(&text, &[]).expect_err("it holds no certificate");
    let shown = file.display();
    assert_eq!(
        problems,
        [format!(
            "  file:8:1: `nexthink.ca_file` is wrong: {shown}: the certificates of the extra authority cannot be used: it \
             holds no certificate; one begins with -----BEGIN CERTIFICATE-----"
        )]
    );
}

#[test]
fn a_proxy_that_is_no_address_is_refused_with_its_place() {
    let text = WHOLE.replace("region =", "proxy = \"proxy.example:3128\"\nregion =");
    let problems = parse(&text, &[]).expect_err("it has no scheme");
    assert_eq!(
        problems,
        [
            "  file:8:1: `nexthink.proxy` is wrong: the proxy URL cannot be used: it is neither http nor https; write it \
             as http://host:port"
        ]
    );
}
