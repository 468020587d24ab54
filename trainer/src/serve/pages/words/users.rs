//! Words of the users' page.

use super::words;

words! {
    /// Who may use the dashboard.
    Users {
        title: "Users" | "利用者",
        name: "Name" | "名前",
        role: "Role" | "役割",
        since: "Since" | "登録日時",
        sessions: "Sessions" | "セッション",
        seen: "Last seen" | "最終アクセス",
        how: "Users are added, changed and removed on the daemon's machine:" | "利用者の追加・変更・削除はデーモンのマシンで行います:",
        proxied: "Roles of users whom the proxy names in {0}" | "プロキシが {0} で通知する利用者の役割",
        others: "Whoever is not in this list is a viewer." | "この一覧にない利用者は閲覧者です。",
        empty_title: "No user of our own" | "登録された利用者はいません",
        empty_text: "The proxy logs people in." | "ログインはプロキシが担当しています。",
    }
}
