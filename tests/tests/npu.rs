//! A worker on the board's NPU: a server on loopback that may read everything.

use anyhow::Result;
use futures::{FutureExt as _, future::try_join_all};
use serde_json::{Value, json};
use shoal_tests::{
    appliance::Setup,
    npu::{Manner, Npu},
};
use tokio::net::TcpListener;

const SECRET: &str = "DE89370400440532013000";

fn ask(number: usize) -> Value {
    json!({
        "model": "npu",
        "messages": [{"role": "user", "content": format!("{number}: Patient Erika Musterfrau, IBAN {SECRET}.")}],
        "shoal": {"label": "restricted"},
    })
}

#[tokio::test]
async fn an_npu_reads_what_may_not_leave_one_call_at_a_time_and_no_proxy_comes_between()
-> Result<()> {
    for manner in [Manner::Rkllm, Manner::Hailo] {
        let npu = Npu::start(manner).await?;
        let proxy = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", proxy.local_addr()?);
        let mut setup = Setup::new()?.config(&npu.worker());
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            setup = setup.environment(name, &url);
        }
        let board = setup.start().await?;

        let asked = (0..4).map(|number| board.post("/v1/chat/completions", ask(number)));
        for answer in try_join_all(asked).await? {
            let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
            assert!(
                text.starts_with("I read: ") && text.contains(SECRET),
                "{answer}"
            );
            assert_eq!(answer["choices"][0]["finish_reason"], "stop", "{answer}");
            assert!(
                answer["usage"]["completion_tokens"].as_u64() > Some(0),
                "{answer}"
            );
        }
        assert_eq!((npu.read().len(), npu.sent_away()), (4, 0), "{manner:?}");
        assert!(
            proxy.accept().now_or_never().is_none(),
            "the proxy was asked"
        );
        let doctor = String::from_utf8(board.run(&["doctor"]).await?.stdout)?;
        assert!(doctor.contains("worker npu"), "{doctor}");
    }
    Ok(())
}
