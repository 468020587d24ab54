//! Words of the front page.

use super::words;

words! {
    /// What happens now.
    Now {
        title: "Now" | "現在",
        collected: "Collected samples" | "収集したサンプル",
        samples: "samples" | "サンプル",
        clients: "clients" | "クライアント",
        labelled: "clients with a label" | "ラベル付きクライアント",
        conflicts: "with contradicting labels" | "ラベルが矛盾",
        trouble: "Collecting stands still" | "収集が止まっています",
        empty_title: "No sample yet" | "サンプルはまだありません",
        empty_text: "The daemon follows the sample files of [[samples]]. Samples come when nginx has sekisho_samples and flags somebody." | "デーモンは [[samples]] のサンプルファイルを読み続けます。nginx に sekisho_samples を設定し、クライアントが検出されるとサンプルが届きます。",
    }
}
