//! Words around every page, and of the log-in.

use super::words;
use crate::user::Role;

words! {
    /// The frame of every page.
    Shell {
        skip: "Skip to the content" | "本文へ移動",
        navigation: "Pages" | "ページ一覧",
        settings: "Language and colours" | "言語と配色",
        now: "Now" | "現在",
        clients: "Clients" | "クライアント",
        groups: "Groups" | "グループ",
        explanations: "Explanations" | "説明",
        models: "Models" | "モデル",
        language_models: "Language models" | "言語モデル",
        look_up: "Look-up" | "照会",
        users: "Users" | "利用者",
        log_in: "Log in" | "ログイン",
        log_out: "Log out" | "ログアウト",
        viewer: "viewer" | "閲覧者",
        operator: "operator" | "運用者",
        approver: "approver" | "承認者",
        auto: "System" | "自動",
        light: "Light" | "明",
        dark: "Dark" | "暗",
        next: "Next" | "次へ",
        first: "Back to the start" | "先頭へ",
        open: "Anybody who reaches this page may read it, and nobody may change anything. To change that, add a user:" | "このページは到達できる人なら誰でも閲覧でき、変更は誰にもできません。変更するには利用者を追加してください:",
        refused: "Refused" | "受け付けられません",
        forbidden: "Not allowed" | "権限がありません",
        role_text: "This takes the role {0}. Whoever runs the daemon gives it with `sekisho user role`." | "この操作には{0}の役割が必要です。役割はデーモンの管理者が `sekisho user role` で与えます。",
        log_in_first: "Log in first." | "先にログインしてください。",
        nowhere: "Nothing is here" | "ページがありません",
        nowhere_text: "The address is wrong, or what it named is gone: samples are deleted when they are too old." | "アドレスが誤っているか、対象が削除されています。古いサンプルは削除されます。",
        method_text: "This address does not take this method." | "このアドレスではこのメソッドを使えません。",
        foreign_text: "The change did not come from a page of this dashboard, so it was not made. Behind a proxy, pass the browser's Host on: proxy_set_header Host $http_host." | "この変更はダッシュボードのページから送られたものではないため、行いませんでした。プロキシを使う場合はブラウザの Host をそのまま渡してください: proxy_set_header Host $http_host。",
        stale_text: "The page was too old: somebody logged in or out, or the daemon was started anew. Load it again, and repeat what you did." | "ページが古くなっています。ログイン状態が変わったか、デーモンが再起動されました。再読み込みしてからやり直してください。",
        host_text: "This was asked by a name that is not ours. Ask by address, or add the name to [api] hosts." | "この名前では応答しません。アドレスで開くか、[api] hosts に名前を追加してください。",
        proxy_text: "The proxy names its user unclearly: it must set its header once, with one name of letters, digits and . _ - @." | "プロキシの利用者名が不明確です。ヘッダーは一つだけ、英数字と . _ - @ からなる名前を一つ設定してください。",
        busy: "Busy" | "混み合っています",
        slow_text: "It took too long. Try again, with less to look at if that is possible." | "時間がかかりすぎました。範囲を絞るなどして、もう一度お試しください。",
        working: "Looking ..." | "検索中…",
        broken: "Something is wrong here" | "内部エラー",
        broken_text: "The page could not be made. The log of `sekisho serve` says why." | "ページを作成できませんでした。理由は `sekisho serve` のログにあります。",
        to_form: "Back to the form" | "入力に戻る",
        to_front: "To the front page" | "最初のページへ",
        passed: "let through" | "通過",
        suspect: "suspect, let through" | "疑わしいが通過",
        rejected: "stopped" | "停止",
        rejected_dry_run: "would have been stopped" | "本番なら停止",
        allowed: "allowed by the operator" | "運用者が許可",
        trapped: "walked into a trap" | "罠にかかった",
    }
}

words! {
    /// The log-in.
    LogIn {
        title: "Log in" | "ログイン",
        name: "Name" | "名前",
        password: "Password" | "パスワード",
        enter: "Log in" | "ログイン",
        wrong: "Name and password do not fit." | "名前またはパスワードが違います。",
        wait: "Too many tries. Wait {0} minutes." | "試行回数が多すぎます。{0} 分お待ちください。",
        nobody: "There is no user yet, so there is nothing to log in to: reading is open, and changing needs a user. On the daemon's machine:" | "利用者がまだいないため、ログインは不要です。閲覧は誰でもでき、変更には利用者が必要です。デーモンのマシンで次を実行してください:",
        proxy: "A proxy before this page logs people in; it named nobody." | "このページの前にあるプロキシがログインを担当しますが、利用者が通知されていません。",
    }
}

impl Shell {
    /// The word for a role.
    pub fn role(&self, role: Role) -> &'static str {
        match role {
            Role::Viewer => self.viewer,
            Role::Operator => self.operator,
            Role::Approver => self.approver,
        }
    }
}
