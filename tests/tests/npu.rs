//! A worker on the board's NPU: a server on loopback that may read everything.

use anyhow::Result;
use futures::FutureExt as _;
use serde_json::json;
use shoal_tests::{appliance::Setup, recorder::Recorder};
use tokio::net::TcpListener;

#[tokio::test]
async fn an_npu_reads_what_may_not_leave_and_no_proxy_of_the_environment_comes_between()
-> Result<()> {
    let server = Setup::new()?.start().await?;
    let key = server.key("npu", &[]).await?;
    let recorder = Recorder::before(server.address()).await?;
    let proxy = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", proxy.local_addr()?);
    let worker = format!(
        "[[workers]]\nid = \"npu\"\nkind = \"npu\"\nruntime = \"rkllm\"\nbase_url = \"http://{}/v1\"\n\
         model = \"local\"\nkey_env = \"NPU_KEY\"\n",
        recorder.address()
    );
    let mut setup = Setup::new()?.config(&worker).environment("NPU_KEY", &key);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        setup = setup.environment(name, &url);
    }
    let board = setup.start().await?;

    let ask = json!({
        "model": "npu",
        "max_tokens": 8,
        "messages": [{"role": "user", "content": "Patient Erika Musterfrau, IBAN DE89370400440532013000: say hello."}],
        "shoal": {"label": "restricted"},
    });
    let answer = board.post("/v1/chat/completions", ask).await?;
    assert_eq!(answer["object"], "chat.completion", "{answer}");
    let sent = recorder.sent();
    assert!(sent.contains("DE89370400440532013000"), "{sent}");
    assert!(
        proxy.accept().now_or_never().is_none(),
        "the proxy was asked"
    );
    Ok(())
}
