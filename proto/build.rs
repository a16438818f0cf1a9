//! Compiles the protos without `protoc`: protox parses, tonic generates.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "gateless/v1/resources.proto",
        "gateless/v1/identity.proto",
        "gateless/v1/config.proto",
        "gateless/v1/peer.proto",
        "gateless/v1/admin.proto",
    ];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["."])?;
    // What has secrets in it is not shown: `src/lib.rs` says how.
    let hidden = ["Secret", "Record", "GossipKey"].map(|name| format!("gateless.v1.{name}"));
    tonic_prost_build::configure()
        .skip_debug(hidden)
        .compile_fds(descriptors)?;
    Ok(())
}
