//! Other proxies in front of the same backend, set up to do as little as they can.
//!
//! All of them keep connections to the backend and write no access log. Their files lie in the
//! run's folder; nothing of the system's own configuration is read.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::{Process, built, free_port, installed, wait_for_listener};

/// A proxy, or the backend itself.
#[derive(Debug)]
pub struct Partner {
    /// What it is called in tables.
    pub name: &'static str,
    /// Where to call.
    pub url: String,
    /// Whose processor time to count.
    pub pid: u32,
    /// Its children's as well.
    pub with_children: bool,
    /// Runs as long as this; `None` when somebody else ends it.
    pub process: Option<Process>,
}

impl Partner {
    fn new(name: &'static str, address: &str, process: Process) -> Self {
        Self {
            name,
            url: format!("http://{address}/"),
            pid: process.pid(),
            with_children: false,
            process: Some(process),
        }
    }
}

/// The backend, alone.
///
/// # Errors
/// When it does not start.
pub fn backend(folder: &Path) -> anyhow::Result<(Partner, String)> {
    let mut command = Command::new(built("hello")?);
    command.env("PORT", "0");
    let (process, address) = Process::start_and_read(&mut command, &folder.join("hello.log"))?;
    Ok((Partner::new("backend, direct", &address, process), address))
}

/// The yardstick.
///
/// # Errors
/// When it does not start.
pub fn bare_proxy(folder: &Path, backend: &str) -> anyhow::Result<Partner> {
    let mut command = Command::new(built("bare_proxy")?);
    command.arg(backend);
    let log = folder.join("bare-proxy.log");
    let (process, address) = Process::start_and_read(&mut command, &log)?;
    Ok(Partner::new("bare hyper proxy", &address, process))
}

/// nginx, if installed.
///
/// # Errors
/// When it is and does not start.
pub fn nginx(folder: &Path, backend: &str) -> anyhow::Result<Option<Partner>> {
    let Some(program) = installed("nginx") else {
        return Ok(None);
    };
    let port = free_port()?;
    let folder = folder.join("nginx");
    fs::create_dir_all(&folder)?;
    let here = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path {here}/{name};\n"))
        .concat();
    let config = format!(
        "worker_processes auto;\npid {here}/pid;\nerror_log {here}/error.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n{temporary}  keepalive_requests 100000000;\n  \
         upstream backend {{ server {backend}; keepalive 128; keepalive_requests 100000000; }}\n  \
         server {{\n    listen 127.0.0.1:{port};\n    location / {{\n      proxy_pass http://backend;\n      \
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n    }}\n  }}\n}}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, config)?;
    let mut command = Command::new(program);
    command
        .arg("-p")
        .arg(&folder)
        .arg("-c")
        .arg(&file)
        .args(["-g", "daemon off;"])
        .stdout(Stdio::null());
    let process = Process::start(&mut command, &folder.join("stderr.log"))?;
    let mut partner = listening("nginx", port, process)?;
    partner.with_children = true;
    Ok(Some(partner))
}

/// haproxy, if installed.
///
/// # Errors
/// When it is and does not start.
pub fn haproxy(folder: &Path, backend: &str) -> anyhow::Result<Option<Partner>> {
    let Some(program) = installed("haproxy") else {
        return Ok(None);
    };
    let port = free_port()?;
    let config = format!(
        "global\n  maxconn 4096\ndefaults\n  mode http\n  timeout connect 2s\n  timeout client 60s\n  \
         timeout server 60s\n  http-reuse always\nfrontend in\n  bind 127.0.0.1:{port}\n  \
         default_backend out\nbackend out\n  server backend {backend} pool-max-conn 128\n"
    );
    let file = folder.join("haproxy.cfg");
    fs::write(&file, config)?;
    let mut command = Command::new(program);
    command
        .arg("-db")
        .arg("-f")
        .arg(&file)
        .stdout(Stdio::null());
    let process = Process::start(&mut command, &folder.join("haproxy.log"))?;
    Ok(Some(listening("haproxy", port, process)?))
}

fn listening(name: &'static str, port: u16, process: Process) -> anyhow::Result<Partner> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    wait_for_listener(address)?;
    Ok(Partner::new(name, &address.to_string(), process))
}
