//! `contrib/nginx-tests.sh` tells a difference that the module makes, and one that it does not make.

use std::fs;
use std::process::Command;

/// Stands for the suite's library: the configuration that the environment injects, as the suite puts it into each test.
const LIBRARY: &str = r#"package Test::Nginx;
use strict;
use warnings;

sub configuration {
    my ($dir) = @_;
    return "$ENV{TEST_NGINX_GLOBALS}\npid $dir/pid; error_log $dir/error.log; events { }\n"
        . "http { $ENV{TEST_NGINX_GLOBALS_HTTP}\n access_log off; server { listen 127.0.0.1:8080; } }\n";
}

1;
"#;

/// A test that asks nginx whether it takes the configuration.
const ACCEPTED: &str = r#"use Test::Nginx;
use File::Temp;
my $dir = File::Temp->newdir;
open my $file, '>', "$dir/nginx.conf" or die;
print $file Test::Nginx::configuration($dir);
close $file;
print "1..1\n";
my $said = `$ENV{TEST_NGINX_BINARY} -t -p $dir -e $dir/error.log -c $dir/nginx.conf 2>&1`;
print $? == 0 ? "ok 1 - accepted\n" : "not ok 1 - accepted\n# $said";
"#;

/// A test that fails where our module is.
const DIFFERENT: &str =
    "print \"1..1\\n\", $ENV{TEST_NGINX_GLOBALS} =~ /sekisho/ ? \"not ok 1\\n\" : \"ok 1\\n\";\n";
const SKIPPED: &str = "print \"1..0 # SKIP no such module\\n\";\n";

fn suite(files: &[(&str, &str)]) -> (bool, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir_all(directory.path().join("lib/Test")).expect("own directory");
    fs::write(directory.path().join("lib/Test/Nginx.pm"), LIBRARY).expect("own directory");
    for (name, text) in files {
        fs::write(directory.path().join(name), text).expect("own directory");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../contrib/nginx-tests.sh");
    let output = Command::new(script)
        .arg(directory.path())
        .output()
        .expect("bash is installed");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn the_same_results_pass_and_others_do_not() {
    let (passed, said) = suite(&[
        ("limit_req.t", ACCEPTED),
        ("h2.t", SKIPPED),
        ("unknown.t", DIFFERENT),
    ]);
    assert!(passed, "{said}");
    let closing =
        "2 files, 1 tests with the module, 0 failed, 1 files skipped, 0 files differ from nginx without it\n";
    assert!(said.ends_with(closing), "{said}");

    let (passed, said) = suite(&[("limit_req.t", ACCEPTED), ("realip.t", DIFFERENT)]);
    assert!(
        !passed && said.contains("    > not ok 1") && said.contains("1 files differ"),
        "{said}"
    );
    let (passed, said) = suite(&[("realip.t", "die 'no nginx';\n")]);
    assert!(!passed && said.contains("EMPTY"), "{said}");
    let (passed, said) = suite(&[]);
    assert!(!passed && said.contains("no tests in"), "{said}");
}
