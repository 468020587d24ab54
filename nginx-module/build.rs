//! Embeds the bundled model, when it has been made already: it is trained by a program of this workspace.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(default_model)");
    println!("cargo::rerun-if-changed=../models/default.onnx");
    if std::path::Path::new("../models/default.onnx").exists() {
        println!("cargo::rustc-cfg=default_model");
    }
}
