//! Words of the page about language models.

use super::words;

words! {
    /// Health and spend of the chain.
    LanguageModels {
        title: "Language models" | "言語モデル",
        text: "They may add to an explanation what they can show to be true. Nothing depends on an answer, and none makes or lifts a block." | "説明に、事実と確認できることだけを付け加えます。判定や遮断が言語モデルの回答に左右されることはありません。",
        none_title: "No language model is configured" | "言語モデルは設定されていません",
        none_text: "Explanations are written by rule, which needs no network. To let a model add to them, give it in the configuration:" | "説明はネットワーク不要の規則で作成されます。モデルに補足させるには、設定に追加してください:",
        more: "What else can be set is in docs/llm.md." | "そのほかの設定は docs/llm.md にあります。",
        questions: "questions" | "質問",
        answered: "answered" | "回答あり",
        half: "half took no longer" | "半数はこの時間以内",
        most: "95 in 100 took no longer" | "95% はこの時間以内",
        spent_today: "spent this day" | "本日の費用",
        targets: "In the order in which they are asked" | "問い合わせる順",
        target: "Target" | "接続先",
        model: "Model" | "モデル",
        sees: "Sees" | "送る内容",
        sees_all: "everything" | "すべて",
        sees_redacted: "what is redacted" | "伏せ字済み",
        breaker: "Breaker" | "ブレーカー",
        breaker_closed: "asks" | "稼働中",
        breaker_open: "pauses" | "休止中",
        breaker_half: "tries again" | "再試行中",
        until: "until" | "まで",
        asked: "Asked" | "試行",
        failed: "Failed" | "失敗",
        p50: "Median" | "中央値",
        p95: "95 %" | "95% 値",
        claims: "Claims found true" | "真と確認された主張",
        last_error: "Last error" | "最後のエラー",
        week: "Requests and durations of the last seven days." | "直近 7 日間のリクエストと所要時間です。",
        spend: "Spend" | "費用",
        period: "Period" | "期間",
        run: "since the daemon began" | "デーモン起動以降",
        day: "this day (UTC)" | "本日 (UTC)",
        month: "this month (UTC)" | "今月 (UTC)",
        cost: "Cost" | "費用",
        of: "of" | "上限",
        tokens: "Tokens" | "トークン",
        attempts: "Requests" | "リクエスト",
        unpriced: "Without a price" | "価格未設定",
        used_up: "used up: nothing is asked until it begins anew" | "上限に達しました: 次の期間まで問い合わせません",
        no_price: "These models answered and have no price in [[llm.prices]]: {0}" | "回答したが [[llm.prices]] に価格がないモデル: {0}",
    }
}
