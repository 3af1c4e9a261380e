use shoal_conductor::label::Label;

use super::*;

fn places() -> Places {
    Places {
        data: "/data".into(),
        config: "/data/shoal.toml".into(),
    }
}

fn fault(text: &str) -> String {
    Config::parse(text, &places()).unwrap_err().to_string()
}

#[test]
fn each_mistake_names_file_line_and_what_to_do() {
    let mistakes = [
        "[http]\nlisten = \"0.0.0.0:8080\"\n",
        "[http]\nlisten = \"localhost\"\n",
        "[http]\nlissen = \"127.0.0.1:80\"\n",
        "\n[https]\nlisten = \"0.0.0.0:8080\"\n",
        "[http]\nmax_connections = 0\n",
        "[appliance]\nsite = \"plant/7\"\n",
        "[model]\nsha256 = \"abc\"\n",
        "[mqtt]\nurl = \"tcp://broker\"\n",
        "[mqtt]\nurl = \"mqtt://user:pw@broker\"\n",
        "[mqtt]\npassword_env = \"SHOAL_TEST_UNSET\"\n",
        "[mqtt]\npassword_file = \"no-such-file\"\n",
        "policy = 3\n",
    ];
    let faults: Vec<String> = mistakes.iter().map(|text| fault(text)).collect();
    insta::assert_snapshot!(faults.join("\n---\n"));
}

#[test]
fn each_mistake_in_a_worker_names_it() {
    let workers = [
        "id = \"local\"\nkind = \"openai\"\nbase_url = \"https://a/v1\"\nmodel = \"m\"",
        "id = \"a\"\nkind = \"opanai\"\nbase_url = \"https://a/v1\"\nmodel = \"m\"",
        "id = \"a\"\nkind = \"openai\"\nbase_url = \"a/v1\"\nmodel = \"m\"",
        "id = \"a\"\nkind = \"openai\"\nbase_url = \"http://a/v1\"\nmodel = \"m\"",
        "id = \"a\"\nkind = \"openai\"\nbase_url = \"https://a/v1\"\nmodel = \"m\"\nplace = \"board\"",
        "id = \"a\"\nkind = \"openai\"\nbase_url = \"https://a/v1\"\nmodel = \"m\"\nkey_file = \"k\"\nkey_env = \"K\"",
        "id = \"a\"\nkind = \"npu\"\nbase_url = \"http://127.0.0.1:1/v1\"\nmodel = \"m\"",
        "id = \"a\"\nkind = \"npu\"\nruntime = \"rkllm\"\nbase_url = \"https://a/v1\"\nmodel = \"m\"",
        "id = \"a\"\nkind = \"npu\"\nruntime = \"rkllm\"\nbase_url = \"http://127.0.0.1:1/v1\"\nmodel = \"m\"\nplace = \"remote\"",
        "id = \"a\"\nkind = \"openai\"\nruntime = \"hailo\"\nbase_url = \"http://127.0.0.1:1/v1\"\nmodel = \"m\"",
        "id = \"a b\"\nkind = \"openai\"\nbase_url = \"https://a/v1\"\nmodel = \"m\"",
    ];
    let faults: Vec<String> = workers
        .iter()
        .map(|worker| fault(&format!("[[workers]]\n{worker}\n")))
        .collect();
    insta::assert_snapshot!(faults.join("\n---\n"));
}

#[test]
fn two_workers_of_one_name_are_one_too_many() {
    let worker =
        "[[workers]]\nid = \"a\"\nkind = \"openai\"\nbase_url = \"https://a/v1\"\nmodel = \"m\"\n";
    assert_eq!(
        fault(&worker.repeat(2)),
        "/data/shoal.toml: line 7: workers[1].id: \"a\" is there twice"
    );
}

#[test]
fn a_remote_worker_without_policy_and_a_policy_without_worker_are_told() {
    let text =
        "[[workers]]\nid = \"a\"\nkind = \"openai\"\nbase_url = \"https://a/v1\"\nmodel = \"m\"\n";
    let config = Config::parse(text, &places()).unwrap();
    let policy = Policy::parse(
        "[workers.b]\nclearance = \"public\"\n[workers.local]\nclearance = \"restricted\"\n",
        Path::new("/"),
    )
    .unwrap();
    assert_eq!(
        config.warnings(&policy),
        [
            "policy does not mention the remote worker \"a\", so it is never used: add [workers.a] to /data/policy.toml",
            "policy speaks of a worker \"b\" that the config does not have; did you mean \"a\"?",
        ]
    );
}

#[test]
fn a_remote_worker_without_anything_that_finds_names_is_told() {
    let worker =
        "[[workers]]\nid = \"a\"\nkind = \"openai\"\nbase_url = \"https://a/v1\"\nmodel = \"m\"\n";
    let warnings = |text: &str, policy: &str| {
        let config = Config::parse(text, &places()).unwrap();
        config.warnings(&Policy::parse(policy, Path::new("/")).unwrap())
    };
    let named = "[workers.a]\nclearance = \"public\"\n";
    let said = warnings(worker, named);
    assert!(
        said.iter()
            .any(|said| said.contains("may go to \"a\"") && said.contains("head = true")),
        "{said:?}"
    );
    let found = format!("{worker}[privacy]\nhead = true\n");
    let unsaid = [
        warnings(&found, named),
        warnings(worker, ""),
        warnings("", ""),
    ];
    for said in unsaid.iter().flatten() {
        assert!(!said.contains("head"), "{said}");
    }
}

#[test]
fn a_broker_is_known_by_its_url() {
    let mqtt = |url: &str| {
        let config = Config::parse(&format!("[mqtt]\nurl = \"{url}\"\n"), &places()).unwrap();
        config.mqtt.unwrap().url()
    };
    assert_eq!(mqtt("mqtt://broker"), "mqtt://broker:1883");
    assert_eq!(mqtt("mqtts://broker"), "mqtts://broker:8883");
    assert_eq!(mqtt("mqtt://[::1]:99"), "mqtt://[::1]:99");
    let off = Config::parse("[mqtt]\nenabled = false\n", &places()).unwrap();
    assert_eq!(off.mqtt, None);
}

#[test]
fn a_broker_that_others_can_listen_to_is_told() {
    let policy = Policy::parse("", Path::new("/")).unwrap();
    let warnings = |url: &str| {
        let text = format!("[mqtt]\nurl = \"{url}\"\n");
        let config = Config::parse(&text, &places()).unwrap();
        config.warnings(&policy)
    };
    for private in [
        "mqtts://broker",
        "mqtt://localhost",
        "mqtt://127.0.0.9",
        "mqtt://[::1]",
    ] {
        assert_eq!(warnings(private), Vec::<String>::new(), "{private}");
    }
    for open in ["mqtt://broker", "mqtt://192.168.1.5"] {
        let said = warnings(open);
        assert!(
            said.len() == 1 && said[0].contains("unencrypted"),
            "{said:?}"
        );
    }
}

#[test]
fn an_npu_is_on_the_board_with_full_clearance_and_does_one_thing_at_a_time() {
    let text = "[[workers]]\nid = \"npu\"\nkind = \"npu\"\nruntime = \"rkllm\"\n\
        base_url = \"http://127.0.0.1:8081/v1\"\nmodel = \"m\"\n";
    let config = Config::parse(text, &places()).unwrap();
    let [npu] = &config.workers[..] else {
        panic!("{:?}", config.workers)
    };
    assert_eq!(npu.place, Place::Board);
    assert_eq!(npu.npu, Some(AcceleratorKind::Rknpu));
    assert_eq!(npu.max_concurrent, Some(1));
    let policy = Policy::parse("", Path::new("/")).unwrap();
    assert!(config.warnings(&policy).is_empty());
    let unmentioned = policy.workers.get(&npu.id).cloned().unwrap_or_default();
    assert_eq!(unmentioned.clearance, Label::Restricted);
}

#[test]
fn a_server_on_loopback_is_remote_until_the_config_says_that_nothing_leaves() {
    let worker = |more: &str| {
        let text = format!(
            "[[workers]]\nid = \"a\"\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\nmodel = \"m\"\n{more}"
        );
        Config::parse(&text, &places()).unwrap().workers[0].place
    };
    assert_eq!(worker(""), Place::Remote);
    assert_eq!(worker("place = \"board\"\n"), Place::Board);
}

#[test]
fn memory_is_critical_no_sooner_than_it_is_low() {
    assert_eq!(
        fault("[limits]\nmemory_low_percent = 3\n"),
        "/data/shoal.toml: line 1: limits.memory_critical_percent: 5 is more than memory_low_percent, which is 3"
    );
}
