//! The short soak, or as long a one as the `SOAK_` variables ask for.

use sekisho_tests::soak::{Counts, directory, run};

#[test]
fn nothing_that_production_does_shows() {
    let report = run(&Counts::from_env());
    let page = report.page();
    std::fs::create_dir_all(directory()).expect("target can be written");
    std::fs::write(directory().join("report.md"), &page).expect("target can be written");
    eprintln!("{page}");
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
}
