//! Words of groups, look-up, explanations and reports.

use super::words;

words! {
    /// Who takes the load.
    Groups {
        title: "Groups" | "グループ",
        range: "Seen in the last" | "対象期間",
        day: "24 hours" | "24時間",
        week: "7 days" | "7日間",
        all: "whole store" | "全期間",
        zone: "Zone" | "ゾーン",
        any: "any" | "すべて",
        go: "Show" | "表示",
        networks: "Networks" | "ネットワーク",
        networks_text: "Area is requests, colour the share of them by clients that were suspect or worse. Drawn are the {0} busiest of {1} networks, with {2} of all requests." | "面積はリクエスト数、色は疑い以上と判定されたクライアントの割合です。{1}ネットワークのうち負荷の高い{0}件を描画（全リクエストの{2}）。",
        ever: "Counted are clients that were seen in this time, each with the most requests that one of its samples told: what it did before is among them." | "この期間に観測されたクライアントを対象とし、リクエスト数は各クライアントのサンプルに記録された最大値です。期間より前の分も含みます。",
        counted: "Counted {0} ago." | "{0}前に集計。",
        unnamed: "no address" | "アドレスなし",
        tile: "{0}: {1} requests by {2} clients, {3} of them by clients that were suspect or worse" | "{0}: {2}クライアントから{1}リクエスト、うち{3}が疑い以上",
        network: "Network" | "ネットワーク",
        requests: "Requests" | "リクエスト数",
        share: "Share of all" | "全体比",
        automated: "Judged automated" | "自動と判定",
        clients: "Clients" | "クライアント数",
        last: "Last seen" | "最終観測",
        swarms: "Swarms" | "群れ",
        swarms_text: "Flagged clients that behave alike, wherever they come from; the {0} busiest were compared." | "発信元を問わず、似た挙動をする要注意クライアント。負荷の高い{0}件を比較しました。",
        swarm: "{0} clients, {1} requests" | "{0}クライアント、{1}リクエスト",
        common: "In common" | "共通点",
        usual: "visitors: {0}" | "訪問者: {0}",
        among: "Networks" | "ネットワーク",
        busiest: "Busiest" | "最も負荷の高いもの",
        no_swarms: "No flagged clients here" | "要注意クライアントはありません",
        no_swarms_text: "Nobody who was seen in this time was suspect or worse." | "この期間に疑い以上と判定されたものはありません。",
        empty: "No load yet" | "負荷はまだありません",
        empty_text: "As soon as samples are read, networks are here." | "サンプルが読み込まれるとここに表示されます。",
    }
}

words! {
    /// By reference id.
    LookUp {
        title: "Look-up" | "照会",
        text: "A visitor who was stopped sees a reference id on the page. With it you find out why." | "遮断された訪問者には照会番号が表示されます。その番号で理由を調べられます。",
        reference: "Reference id" | "照会番号",
        hint: "16 digits and letters a to f" | "数字とaからfの16文字",
        go: "Find" | "照会する",
        found: "This is why" | "照会結果",
        stopped: "The request was judged {0}." | "このリクエストの判定は{0}です。",
        client: "To the client" | "クライアントの詳細へ",
        unknown: "Nothing has this reference id" | "該当する照会番号はありません",
        unknown_text: "It may be mistyped, too new (samples are read every second or so), or too old: samples are kept for {0}." | "入力の誤り、新しすぎる（サンプルは1秒ほどで読み込まれます）、または古すぎる可能性があります。サンプルの保存期間は{0}です。",
        malformed: "This is no reference id" | "照会番号の形式ではありません",
    }
}

words! {
    /// What was explained, and reports.
    Explanations {
        title: "Explanations" | "説明",
        text: "What was explained with a language model, or with `sekisho explain`, is kept with its evidence and never changes." | "言語モデルまたは `sekisho explain` による説明は、根拠とともに保存され、変更されません。",
        reports: "Reports" | "レポート",
        at: "Time" | "時刻",
        client: "Client" | "クライアント",
        category: "Category" | "分類",
        score: "Score" | "スコア",
        source: "Told by" | "作成者",
        sources: "Sources" | "出典",
        rules: "rules" | "規則",
        answer: "given answer" | "渡された回答",
        gone: "forgotten" | "削除済み",
        newer: "of a newer version" | "新しいバージョン",
        empty: "Nothing was explained yet" | "説明はまだありません",
        empty_text: "Open a client and ask the language model, or run `sekisho explain`." | "クライアントを開いて言語モデルに尋ねるか、`sekisho explain` を実行してください。",
        one: "Explanation of {0}" | "{0}の説明",
        kept_at: "Kept" | "保存時刻",
    }
}

words! {
    /// Findings of a time.
    Reports {
        title: "Reports" | "レポート",
        text: "What happened over a time: totals, clusters of like clients, cases that cost most, models. It is the report of `sekisho report`, in English." | "期間内の出来事のまとめ（合計、似たクライアントの群れ、負荷の大きい事例、モデル）。`sekisho report` と同じ内容で、英語です。",
        from: "From" | "開始",
        to: "To" | "終了",
        times_hint: "7d or 12h ago, a day such as 2026-11-01, or a moment in UTC" | "7d、12h（前）、2026-11-01のような日付、またはUTCの時刻",
        zone: "Zone" | "ゾーン",
        any: "any" | "すべて",
        make: "Make the report" | "レポートを作成",
        role: "Making a report takes the role of an operator." | "レポートの作成には運用者の役割が必要です。",
        made: "Made since the daemon began" | "起動後に作成したもの",
        span: "About" | "対象期間",
        at: "Asked for" | "依頼時刻",
        by: "By" | "依頼者",
        state: "State" | "状態",
        ready: "Open" | "開く",
        working: "being made" | "作成中",
        failed: "failed" | "失敗",
        asking: "Asking for it ..." | "依頼中…",
        said_working: "A report is being made. It appears here." | "レポートを作成中です。完成するとここに表示されます。",
        said_ready: "The newest report is ready." | "最新のレポートができました。",
        said_failed: "The newest report failed." | "最新のレポートは作成できませんでした。",
        refresh: "A report over millions of samples takes minutes. Look again" | "数百万件のサンプルでは数分かかります。再読み込み",
        empty: "No report yet" | "レポートはまだありません",
        empty_text: "Choose a time above. Reports are kept until the daemon ends; `sekisho report` writes files." | "上で期間を選んでください。レポートはデーモンの終了まで保持します。ファイルに書くには `sekisho report` を使います。",
        bad_time: "\"{0}\" is no time: 7d or 12h ago, a day such as 2026-11-01, or a moment in UTC such as 2026-11-01T12:00:00Z." | "「{0}」は時刻として読めません。7d、12h（前）、2026-11-01のような日付、または2026-11-01T12:00:00ZのようなUTCの時刻を指定してください。",
        bad_span: "It ends before it begins: name the earlier time first." | "終了が開始より前です。早い方を先に指定してください。",
        busy: "Another report is being made: wait for it." | "別のレポートを作成中です。完了をお待ちください。",
    }
}
