//! Addresses in every form against the default and against exceptions.

use super::*;

#[track_caller]
fn check(egress: &Egress, to: &str, expected: Result<(), &'static str>) {
    let checked = egress.check(to.parse().unwrap());
    assert_eq!(checked.map_err(|Refused(kind)| kind), expected, "{to}");
}

fn with(exceptions: &[&str]) -> Egress {
    Egress::new(exceptions.iter().map(|e| e.parse().unwrap()).collect())
}

#[test]
fn public_addresses_are_allowed_on_every_port() {
    for to in [
        "1.1.1.1:80",
        "9.255.255.255:1",
        "11.0.0.0:65535",
        "172.15.255.255:80",
        "172.32.0.0:80",
        "100.63.255.255:80",
        "100.128.0.0:80",
        "223.255.255.255:80",
        "[2606:4700::1111]:443",
        "[2a00::1]:80",
        "[::ffff:1.1.1.1]:80",
        "[64:ff9b::1.1.1.1]:80",
        "[2002:101:101::1]:80",
    ] {
        check(&Egress::default(), to, Ok(()));
    }
}

#[test]
fn whatever_is_nearer_is_refused_in_every_form() {
    for (to, kind) in [
        ("127.0.0.1:80", "loopback"),
        ("127.255.255.254:80", "loopback"),
        ("10.1.2.3:80", "private"),
        ("172.16.0.1:80", "private"),
        ("172.31.255.255:80", "private"),
        ("192.168.255.1:80", "private"),
        ("100.64.0.1:80", "carrier-grade nat"),
        ("100.100.100.200:80", "carrier-grade nat"),
        ("169.254.169.254:80", "link-local"),
        ("168.63.129.16:80", "cloud metadata"),
        ("0.0.0.0:80", "unspecified"),
        ("0.1.2.3:80", "unspecified"),
        ("192.0.0.192:80", "a protocol's own"),
        ("192.0.2.1:80", "documentation"),
        ("198.18.0.1:80", "benchmarking"),
        ("192.88.99.1:80", "a 6to4 relay"),
        ("224.0.0.1:80", "multicast"),
        ("239.255.255.255:80", "multicast"),
        ("255.255.255.255:80", "reserved"),
        ("[::]:80", "unspecified"),
        ("[::1]:80", "loopback"),
        ("[fe80::1]:80", "link-local"),
        ("[febf::1]:80", "link-local"),
        ("[fec0::1]:80", "site-local"),
        ("[fc00::1]:80", "unique-local"),
        ("[fd00:ec2::254]:80", "unique-local"),
        ("[ff02::1]:80", "multicast"),
        ("[2001::1]:80", "a protocol's own"),
        ("[2001:db8::1]:80", "documentation"),
        ("[100::1]:80", "discard-only"),
        ("[::ffff:127.0.0.1]:80", "loopback"),
        ("[::ffff:169.254.169.254]:80", "link-local"),
        ("[::ffff:0:10.0.0.1]:80", "private"),
        ("[::127.0.0.1]:80", "an obsolete form"),
        ("[64:ff9b::127.0.0.1]:80", "loopback"),
        ("[64:ff9b::a9fe:a9fe]:80", "link-local"),
        ("[64:ff9b:1::1.1.1.1]:80", "a local nat64 prefix"),
        ("[2002:7f00:1::1]:80", "loopback"),
        ("[2002:c0a8:101::1]:80", "private"),
    ] {
        check(&Egress::default(), to, Err(kind));
    }
}

#[test]
fn exception_opens_its_network_and_its_port_and_nothing_else() {
    let one = with(&["127.0.0.1:9000", "10.0.0.0/8", "[fd00::]/8:443", "::1"]);
    check(&one, "127.0.0.1:9000", Ok(()));
    check(&one, "[::ffff:127.0.0.1]:9000", Ok(()));
    check(&one, "127.0.0.1:9001", Err("loopback"));
    check(&one, "127.0.0.2:9000", Err("loopback"));
    check(&one, "10.255.0.1:1", Ok(()));
    check(&one, "11.0.0.1:1", Ok(()));
    check(&one, "192.168.0.1:1", Err("private"));
    check(&one, "[fd12::1]:443", Ok(()));
    check(&one, "[fd12::1]:80", Err("unique-local"));
    check(&one, "[fc00::1]:443", Err("unique-local"));
    check(&one, "[::1]:80", Ok(()));
    // Another form of an allowed address is not that address.
    check(&one, "[64:ff9b::10.0.0.1]:80", Err("private"));
    let all = with(&["0.0.0.0/0", "::/0"]);
    check(&all, "169.254.169.254:80", Ok(()));
    check(&all, "[fe80::1]:80", Ok(()));
}

#[test]
fn sidecars_own_ports_open_only_by_name() {
    let wide = with(&["127.0.0.0/8"]).without_ports(&[7701, 7702]);
    check(&wide, "127.0.0.1:9000", Ok(()));
    check(&wide, "127.0.0.1:7701", Err("loopback"));
    check(&wide, "127.0.0.1:7702", Err("loopback"));
    let named = with(&["127.0.0.1:7701"]).without_ports(&[7701]);
    check(&named, "127.0.0.1:7701", Ok(()));
    // A port of ours is anybody's elsewhere.
    check(&wide, "1.1.1.1:7701", Ok(()));
}

#[test]
fn exceptions_are_read_and_shown() {
    for (text, shown) in [
        ("127.0.0.1", "127.0.0.1/32"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.0/8:443", "10.0.0.0/8:443"),
        ("127.0.0.1:9000", "127.0.0.1/32:9000"),
        ("::1", "::1/128"),
        ("fd00::/8", "fd00::/8"),
        ("[fd00::]/8", "fd00::/8"),
        ("[::1]:9000", "[::1]/128:9000"),
    ] {
        let exception: Exception = text.parse().unwrap();
        assert_eq!(exception.to_string(), shown);
        assert_eq!(shown.parse(), Ok(exception), "{shown}");
    }
    for bad in [
        "",
        "localhost",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/8:70000",
        "10.0.0.0:",
        "10.0.0.0/x",
        "[10.0.0.1]:80",
        "[::1",
    ] {
        assert_eq!(bad.parse::<Exception>(), Err(NoException), "{bad}");
    }
}
