//! Hosts on a bridge, each a network namespace with an address, and what can go wrong between them:
//! silence, cuts one way or both, loss.
//!
//! All of it lives in the test's own [`world`](crate::world). Nothing resets a connection here: what is cut
//! drops frames, and nobody has to ask for an address first, so nobody is told that there is no answer.
//! Deliberately no processes; a [`Place`] says how one is started on a host.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::wait::PATIENCE;
use crate::world;

/// Frames in a hundred that a lossy host loses, each way.
pub const LOSS_PERCENT: u32 = 20;

const RULES: &str = "table bridge faults {
  set silent { type ifname; }
  set lossy { type ifname; }
  set cut { type ifname . ifname; }
  chain before { type filter hook prerouting priority 0;
    iifname @silent drop
    iifname @lossy numgen random mod 100 < LOSS drop
  }
  chain between { type filter hook forward priority 0;
    iifname . oifname @cut drop
  }
  chain after { type filter hook postrouting priority 0;
    oifname @silent drop
    oifname @lossy numgen random mod 100 < LOSS drop
  }
}
";

/// Where a process runs.
#[derive(Debug, Clone, Default)]
pub enum Place {
    /// Where the test does, on loopback.
    #[default]
    Here,
    /// On a host of a network.
    Host { name: String, ip: Ipv4Addr },
}

impl Place {
    /// A free port that others can reach.
    #[must_use]
    pub fn free_port(&self) -> String {
        match self {
            Self::Here => "127.0.0.1:0".to_owned(),
            Self::Host { ip, .. } => format!("{ip}:0"),
        }
    }

    /// Runs a program there. The process that is started becomes the program.
    #[must_use]
    pub fn command(&self, program: &std::path::Path) -> Command {
        match self {
            Self::Here => Command::new(program),
            Self::Host { name, .. } => {
                let mut command = Command::new("nsenter");
                let namespace = format!("--net=/run/netns/{name}");
                command.arg(namespace).arg("--").arg(program);
                command
            }
        }
    }
}

/// A network. The test itself is on it too, at the bridge, where nothing is ever cut.
#[derive(Debug)]
pub struct Network {
    hosts: Vec<String>,
    /// Cuts from one host to another that are not mended yet; several may hold at once.
    cuts: Mutex<BTreeMap<(usize, usize), usize>>,
}

impl Network {
    /// Connects so many hosts, at most 200.
    ///
    /// # Panics
    /// Outside a test's own world, or when there is a network already.
    #[must_use]
    pub fn new(hosts: usize) -> Self {
        let network = Self {
            hosts: (0..hosts).map(|n| format!("h{n}")).collect(),
            cuts: Mutex::default(),
        };
        let mut batch = String::new();
        let mac = |n: usize| format!("02:00:00:00:00:{n:02x}");
        let ours = address(usize::MAX);
        writeln!(batch, "link add bridge address {} type bridge", mac(254)).unwrap();
        writeln!(batch, "link set bridge up\naddr add {ours}/24 dev bridge").unwrap();
        for (n, name) in network.hosts.iter().enumerate() {
            let (ip, mac) = (address(n), mac(n + 1));
            writeln!(batch, "netns add {name}").unwrap();
            let peer = format!("peer name eth0 address {mac} netns {name}");
            writeln!(batch, "link add port-{name} type veth {peer}").unwrap();
            writeln!(batch, "link set port-{name} master bridge up").unwrap();
            writeln!(
                batch,
                "neigh add {ip} lladdr {mac} dev bridge nud permanent"
            )
            .unwrap();
        }
        run(Command::new("ip").args(["-batch", "-"]), &batch);
        for (n, name) in network.hosts.iter().enumerate() {
            let mut batch = String::from("link set lo up\n");
            writeln!(
                batch,
                "addr add {}/24 dev eth0\nlink set eth0 up",
                address(n)
            )
            .unwrap();
            let mut others: Vec<usize> = (0..hosts).filter(|other| *other != n).collect();
            others.push(usize::MAX);
            for other in others {
                let (ip, mac) = (address(other), mac(other.saturating_add(1).min(254)));
                writeln!(batch, "neigh add {ip} lladdr {mac} dev eth0 nud permanent").unwrap();
            }
            run(Command::new("ip").args(["-n", name, "-batch", "-"]), &batch);
        }
        network.wait_until_up();
        let rules = RULES.replace("LOSS", &LOSS_PERCENT.to_string());
        run(Command::new("nft").args(["-f", "-"]), &rules);
        network
    }

    /// A port forwards nothing until the kernel has got round to its carrier.
    fn wait_until_up(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let shown = Command::new("bridge")
                .arg("link")
                .env("PATH", world::path())
                .output();
            let ports = String::from_utf8_lossy(&shown.unwrap().stdout).into_owned();
            if ports.matches("state forwarding").count() == self.hosts.len() {
                return;
            }
            assert!(Instant::now() < deadline, "ports that are not up: {ports}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Where processes of a host run.
    #[must_use]
    pub fn place(&self, host: usize) -> Place {
        Place::Host {
            name: self.hosts[host].clone(),
            ip: address(host),
        }
    }

    /// Does something on a host, in a thread of its own: what is opened there stays there.
    ///
    /// # Panics
    /// When it does.
    pub fn within<T: Send + 'static>(
        &self,
        host: usize,
        what: impl FnOnce(Ipv4Addr) -> T + Send + 'static,
    ) -> T {
        let name = self.hosts[host].clone();
        let enter = move || {
            let namespace = std::fs::File::open(format!("/run/netns/{name}")).unwrap();
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), kind).unwrap();
            what(address(host))
        };
        std::thread::spawn(enter).join().unwrap()
    }

    /// Pulls a host's cable: not one frame to it or from it.
    pub fn silence(&self, host: usize) {
        self.element("add", "silent", &[host]);
    }

    /// Puts the cable back.
    pub fn unsilence(&self, host: usize) {
        self.element("delete", "silent", &[host]);
    }

    /// Makes a host lose [`LOSS_PERCENT`] of all frames, each way.
    pub fn make_lossy(&self, host: usize) {
        self.element("add", "lossy", &[host]);
    }

    /// Lets all its frames through again.
    pub fn make_reliable(&self, host: usize) {
        self.element("delete", "lossy", &[host]);
    }

    /// From now on, nothing that `from` sends arrives at `to`.
    ///
    /// # Panics
    /// When the rules cannot be changed.
    pub fn cut(&self, from: usize, to: usize) {
        let mut cuts = self.cuts.lock().unwrap();
        let held = cuts.entry((from, to)).or_default();
        *held += 1;
        if *held == 1 {
            self.element("add", "cut", &[from, to]);
        }
    }

    /// Ends a cut; others between the same two go on.
    ///
    /// # Panics
    /// When there is none.
    pub fn mend(&self, from: usize, to: usize) {
        let mut cuts = self.cuts.lock().unwrap();
        let held = cuts.get_mut(&(from, to)).expect("a cut to mend");
        *held -= 1;
        if *held == 0 {
            cuts.remove(&(from, to));
            self.element("delete", "cut", &[from, to]);
        }
    }

    fn element(&self, verb: &str, set: &str, hosts: &[usize]) {
        let ports = hosts
            .iter()
            .map(|host| format!("\"port-{}\"", self.hosts[*host]));
        let ports = ports.collect::<Vec<_>>().join(" . ");
        let command = format!("{verb} element bridge faults {set} {{ {ports} }}\n");
        run(Command::new("nft").args(["-f", "-"]), &command);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let mut batch = String::from("link delete bridge\n");
        for name in &self.hosts {
            writeln!(batch, "netns delete {name}\nlink delete port-{name}").unwrap();
        }
        // After a panic there is nobody to tell, and the world ends all the same.
        try_run(Command::new("ip").args(["-force", "-batch", "-"]), &batch).ok();
        try_run(
            Command::new("nft").args(["-f", "-"]),
            "delete table bridge faults\n",
        )
        .ok();
    }
}

/// Of a host, or of the test for any number too large.
fn address(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(
        10,
        77,
        0,
        u8::try_from(host.saturating_add(1)).unwrap_or(254),
    )
}

/// Runs a tool with something to read.
///
/// # Panics
/// When it fails.
fn run(command: &mut Command, input: &str) {
    try_run(command, input).unwrap_or_else(|error| panic!("{command:?}: {error}\n{input}"));
}

fn try_run(command: &mut Command, input: &str) -> Result<(), String> {
    let mut child = command
        .env("PATH", world::path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    // Dropped when written, so that the tool sees the end.
    let written = child
        .stdin
        .take()
        .map(|mut pipe| pipe.write_all(input.as_bytes()));
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    if output.status.success() && written.is_some_and(|written| written.is_ok()) {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}
