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
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
