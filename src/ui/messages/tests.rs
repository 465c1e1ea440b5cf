//! What each notation is made out to be.

use serde_json::{Value as Json, json};

use super::*;

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn attributes(of: &Json) -> Attributes {
    of.as_object().unwrap().clone().into_iter().collect()
}

/// Each message on a line: `role: text`, `role: → call(arguments)`, `role: ← answer`, `role: (thought)`, `role: {data}`.
fn lines(messages: &[Message]) -> Vec<String> {
    messages.iter().flat_map(|message| message.parts.iter().map(|part| format!("{}: {}", message.role.name(), line(part)))).collect()
}

fn line(part: &Part) -> String {
    match part {
        Part::Text(text) => text.clone(),
        Part::Reasoning(text) => format!("({text})"),
        Part::Image(image) => format!("{image:?}").chars().take(6).collect(),
        Part::File(name) => format!("file {name}"),
        Part::Call(call) => format!("→ {}({}) {}", call.name, call.arguments, call.id.as_deref().unwrap_or("-")),
        Part::Answer(answer) => {
            let said: Vec<String> = answer.parts.iter().map(line).collect();
            format!("← {} {}", said.join(" "), answer.id.as_deref().unwrap_or("-"))
        }
        Part::Data(data) => data.to_string(),
    }
}

#[track_caller]
fn check(of: Json, expected: &[&str]) {
    assert_eq!(lines(&said(&attributes(&of), &[]).all()), expected, "{of}");
}

#[test]
fn every_dialect_is_a_conversation() {
    let talk = ["system: Be brief.", "user: Hi", "assistant: Hello"];
    for of in [
        json!({
            "gen_ai.input.messages": r#"[{"role":"system","parts":[{"type":"text","content":"Be brief."}]},{"role":"user","parts":[{"type":"text","content":"Hi"}]}]"#,
            "gen_ai.output.messages": r#"[{"role":"assistant","parts":[{"type":"text","content":"Hello"}],"finish_reason":"stop"}]"#,
        }),
        json!({
            "gen_ai.system_instructions": r#"[{"type":"text","content":"Be brief."}]"#,
            "gen_ai.input.messages": r#"[{"role":"system","parts":[{"type":"text","content":"Be brief."}]},{"role":"user","parts":[{"type":"text","content":"Hi"}]}]"#,
            "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "Hello"}]}],
        }),
        // Pipecat.
        json!({
            "gen_ai.system_instructions": "Be brief.",
            "input": r#"[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]"#,
            "output": "Hello",
        }),
        json!({
            "llm.input_messages.0.message.role": "system", "llm.input_messages.0.message.content": "Be brief.",
            "llm.input_messages.1.message.role": "user", "llm.input_messages.1.message.contents.0.message_content.type": "text",
            "llm.input_messages.1.message.contents.0.message_content.text": "Hi",
            "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": "Hello",
            "input.value": "not believed",
        }),
        json!({
            "gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": "Be brief.",
            "gen_ai.prompt.1.role": "user", "gen_ai.prompt.1.content": r#"[{"type":"text","text":"Hi"}]"#,
            "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "Hello",
        }),
        json!({
            "ai.prompt.messages": r#"[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"Hi"}]}]"#,
            "ai.response.text": "Hello",
        }),
        json!({
            "input.value": r#"{"messages":[[{"lc":1,"type":"constructor","id":["langchain","schema","messages","SystemMessage"],"kwargs":{"content":"Be brief.","type":"system"}},{"lc":1,"type":"constructor","id":["langchain","schema","messages","HumanMessage"],"kwargs":{"content":"Hi","type":"human"}}]]}"#,
            "output.value": r#"{"generations":[[{"text":"Hello","message":{"lc":1,"type":"constructor","id":["langchain","schema","messages","AIMessage"],"kwargs":{"content":"Hello","tool_calls":[]}}}]]}"#,
        }),
        json!({
            "mlflow.spanInputs": r#"{"model":"m","instructions":"Be brief.","input":"Hi"}"#,
            "mlflow.spanOutputs": r#"{"id":"resp_1","output":[{"type":"reasoning","summary":[]},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hello"}]}]}"#,
        }),
        json!({
            "mlflow.spanInputs": r#"{"model":"m","system":"Be brief.","messages":[{"role":"user","content":"Hi"}]}"#,
            "mlflow.spanOutputs": r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"Hello"}]}"#,
        }),
        json!({
            "gcp.vertex.agent.llm_request": r#"{"config":{"system_instruction":"Be brief."},"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}"#,
            "gcp.vertex.agent.llm_response": r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Hello"}]}}]}"#,
        }),
        json!({
            "gen_ai.request.messages": r#"[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}]"#,
            "gen_ai.response.text": r#"["Hello"]"#, "gen_ai.response.model": "m",
        }),
        json!({
            "_ml_obs.meta.input.messages": r#"[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}]"#,
            "_ml_obs.meta.output.messages": r#"[{"role":"assistant","content":"Hello"}]"#,
        }),
        json!({
            "langwatch.input": r#"{"type":"chat_messages","value":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}]}"#,
            "langwatch.output": r#"{"type":"chat_messages","value":[{"role":"assistant","content":"Hello"}]}"#,
        }),
        json!({
            "llm.prompts": r#"[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}]"#,
            "llm.responses": r#"[{"role":"assistant","content":"Hello"}]"#,
        }),
        json!({
            "acme.llm.messages": "[{'role': 'system', 'content': 'Be brief.'}, {'role': 'user', 'content': 'Hi'}]",
            "acme.llm.response": "[ChatMessage(role=<Role.ASSISTANT: 'assistant'>, blocks=[TextBlock(block_type='text', text='Hello')])]",
        }),
    ] {
        check(of, &talk);
    }
}

#[test]
fn events_are_a_conversation() {
    let event = |of: Json| attributes(&of);
    let (system, user) = (event(json!({"content": "Be brief."})), event(json!({"content": r#"[{"text":"Hi"}]"#})));
    let choice =
        event(json!({"message": r#"[{"toolUse":{"toolUseId":"c1","name":"find","input":{"q":1}}}]"#, "finish_reason": "tool_use"}));
    let answer = event(json!({"content": r#"[{"toolResult":{"toolUseId":"c1","status":"success","content":[{"text":"found"}]}}]"#}));
    let of_openai =
        event(json!({"role": "assistant", "tool_calls": r#"[{"id":"c2","type":"function","function":{"name":"look","arguments":"{}"}}]"#}));
    let events: Vec<Event<'_>> = vec![
        ("gen_ai.system.message", &system),
        ("gen_ai.user.message", &user),
        ("gen_ai.tool.message", &answer),
        ("gen_ai.assistant.message", &of_openai),
        ("gen_ai.choice", &choice),
    ];
    let details = event(
        json!({"gen_ai.input.messages": r#"[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]"#, "gen_ai.output.messages": r#"[{"role":"assistant","parts":[{"type":"text","content":"Hello"}]}]"#}),
    );
    let newer = said(&Attributes::new(), &[("gen_ai.client.inference.operation.details", &details)]);
    assert_eq!(lines(&newer.all()), ["user: Hi", "assistant: Hello"]);
    let said = said(&Attributes::new(), &events);
    assert_eq!(
        lines(&said.all()),
        ["system: Be brief.", "user: Hi", "tool: ← found c1", "assistant: → look({}) c2", "assistant: → find({\"q\":1}) c1"]
    );
}

#[test]
fn calls_answers_thoughts_images_and_files_are_told_apart() {
    let image = format!("data:image/png;base64,{PNG}");
    for (message, expected) in [
        (
            json!({"role": "assistant", "content": null, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]}),
            vec!["assistant: → f({\"x\":1}) a"],
        ),
        (
            json!({"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}], "tool_calls": [{"id": "a", "name": "f", "args": {"x": 1}}]}),
            vec!["assistant: (hm)", "assistant: → f({\"x\":1}) a"],
        ),
        (
            json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "ok"}]}]}),
            vec!["tool: ← ok a"],
        ),
        (json!({"role": "tool", "tool_call_id": "a", "content": "ok"}), vec!["tool: ← ok a"]),
        (
            json!({"role": "tool", "content": [{"type": "tool-result", "toolCallId": "a", "toolName": "f", "output": {"type": "json", "value": {"k": 1}}}]}),
            vec!["tool: ← {\"k\":1} a"],
        ),
        (
            json!({"role": "model", "parts": [{"text": "hm", "thought": true}, {"functionCall": {"name": "f", "args": {"x": 1}}}]}),
            vec!["assistant: (hm)", "assistant: → f({\"x\":1}) -"],
        ),
        (json!({"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "ok"}}}]}), vec!["tool: ← ok -"]),
        (
            json!({"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"toolUse": {"toolUseId": "a", "name": "f", "input": {}}}]}),
            vec!["assistant: (hm)", "assistant: → f({}) a"],
        ),
        (json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": image}}]}), vec!["user: Inline"]),
        (
            json!({"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}]}),
            vec!["user: Inline"],
        ),
        (json!({"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}]}), vec!["user: Inline"]),
        (
            json!({"role": "user", "parts": [{"type": "blob", "modality": "image", "mime_type": "image/png", "content": PNG}]}),
            vec!["user: Inline"],
        ),
        (json!({"role": "user", "content": [{"type": "image", "image": PNG, "mediaType": "image/png"}]}), vec!["user: Inline"]),
        (
            json!({"role": "user", "content": [{"message_content": {"type": "image", "image": {"image": {"url": image}}}}]}),
            vec!["user: Inline"],
        ),
        (json!({"role": "user", "content": [{"type": "input_image", "image_url": "https://example.org/a.png"}]}), vec!["user: At(\"ht"]),
        (
            json!({"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}}]}),
            vec!["user: file a.pdf"],
        ),
        (
            json!({"role": "assistant", "parts": [{"type": "text", "content": "ResponseFunctionToolCall(arguments='{\"x\": 1}', call_id='a', name='f', type='function_call')"}]}),
            vec!["assistant: → f({\"x\":1}) a"],
        ),
        (
            json!({"role": "assistant", "content": "{'content': None, 'role': 'assistant', 'tool_calls': [{'id': 'a', 'function': {'arguments': '{}', 'name': 'f'}}]}"}),
            vec!["assistant: → f({}) a"],
        ),
    ] {
        check(json!({"input.value": json!({"messages": [message]}).to_string()}), &expected);
    }
}

#[test]
fn calls_in_numbered_keys_are_told() {
    let openinference = "llm.output_messages.0.message.tool_calls.0.tool_call";
    let openllmetry = "gen_ai.completion.0.tool_calls.0";
    let traceloop = "gen_ai.completion.0.function_call";
    for (of, expected) in [
        (
            json!({"llm.output_messages.0.message.role": "assistant", format!("{openinference}.id"): "a", format!("{openinference}.function.name"): "f", format!("{openinference}.function.arguments"): "{\"x\": 1}"}),
            "assistant: → f({\"x\":1}) a",
        ),
        (
            json!({"gen_ai.completion.0.role": "assistant", format!("{openllmetry}.id"): "a", format!("{openllmetry}.name"): "f", format!("{openllmetry}.arguments"): "{\"x\": 1}"}),
            "assistant: → f({\"x\":1}) a",
        ),
        (
            json!({"gen_ai.completion.0.role": "assistant", format!("{traceloop}.name"): "f", format!("{traceloop}.arguments"): "{\"x\": 1}"}),
            "assistant: → f({\"x\":1}) -",
        ),
        (
            json!({"gen_ai.response.text": "", "gen_ai.response.tool_calls": r#"[{"id":"a","type":"function_call","name":"f","arguments":"{\"x\": 1}"}]"#}),
            "assistant: → f({\"x\":1}) a",
        ),
        (
            json!({"llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.function_call_name": "f", "llm.output_messages.0.message.function_call_arguments_json": "{\"x\": 1}"}),
            "assistant: → f({\"x\":1}) -",
        ),
        (json!({"llm.choices.0.completion.text": "Hello"}), "assistant: Hello"),
        (
            json!({"llm.input_messages.0.message.role": "tool", "llm.input_messages.0.message.tool_call_id": "a", "llm.input_messages.0.message.content": "ok"}),
            "tool: ← ok a",
        ),
    ] {
        check(of, &[expected]);
    }
}

#[test]
fn texts_and_strange_shapes_are_readable() {
    check(json!({"gen_ai.input.messages": "Where is it?", "gen_ai.output.messages": "Here."}), &["user: Where is it?", "assistant: Here."]);
    check(json!({"output.value": "42"}), &["assistant: 42"]);
    check(json!({"http.method": "GET", "gen_ai.usage.input": "7"}), &[]);
    check(json!({"user_prompt": "<REDACTED>"}), &[]);
    // What looks like a structure and is a text of somebody.
    check(json!({"gen_ai.input.messages": r#"[{"role":"user","content":"{\"a\": 1}"}]"#}), &["user: {\"a\": 1}"]);
    check(json!({"input.value": "x = f(y)"}), &["user: x = f(y)"]);
    // The first that is read is believed, and a structure only where nothing is.
    check(json!({"gen_ai.output.messages": r#"[{"role":"assistant","parts":[]}]"#, "output.value": "said"}), &["assistant: said"]);
    check(json!({"input.value": r#"{"a":1,"b":2}"#}), &["user: {\"a\":1,\"b\":2}"]);
    // Arguments of a function are no messages, and neither is a list in which nothing is said.
    check(json!({"input.value": r#"{"args":["id-1","ann","Hi"],"kwargs":{}}"#}), &[r#"user: {"args":["id-1","ann","Hi"],"kwargs":{}}"#]);
    check(json!({"output.value": r#"{"generations":[[{"text":"","type":"ChatGeneration"}]],"llm_output":null}"#}), &[]);
}

#[test]
fn the_message_in_an_input_or_a_result_is_found() {
    for (value, text) in [
        (r#"{"output":"done"}"#, "done"),
        (r#"{"user_message":"hi","user_id":"u"}"#, "hi"),
        (r#""plain""#, "plain"),
        ("not json", "not json"),
        (r#"{"anything":"x"}"#, "x"),
        (r#"{"_kind":"user_message","preview":"hi"}"#, "hi"),
    ] {
        assert_eq!(lines(&reported(value, &Role::Assistant)), [format!("assistant: {text}")], "{value}");
    }
}

#[test]
fn what_a_tool_was_called_with_and_gave_back_is_told() {
    let city = json!({"city": "Paris"});
    for of in [
        json!({"gen_ai.tool.name": "weather", "gen_ai.tool.call.id": "a", "gen_ai.tool.call.arguments": r#"{"city":"Paris"}"#, "gen_ai.tool.call.result": "sunny"}),
        json!({"ai.toolCall.name": "weather", "ai.toolCall.id": "a", "ai.toolCall.args": r#"{"city":"Paris"}"#, "ai.toolCall.result": "\"sunny\""}),
        json!({"tool.name": "weather", "tool_call_id": "a", "tool.parameters": r#"{"type":"object","properties":{}}"#, "input.value": r#"{"city": "Paris"}"#, "output.value": "content='sunny' name='weather' tool_call_id='a'"}),
        json!({"gen_ai.tool.name": "weather", "gen_ai.tool.call.id": "a", "gen_ai.tool.call.arguments": r#"{"input_str":"{'city': 'Paris'}","tags":[]}"#, "gen_ai.tool.call.result": r#"{"output":{"lc":1,"type":"constructor","id":["langchain","schema","messages","ToolMessage"],"kwargs":{"content":"sunny"}},"kwargs":{}}"#}),
        json!({"traceloop.entity.name": "weather", "tool_call.id": "a", "traceloop.entity.input": r#"{"args":[],"kwargs":{"city":"Paris"}}"#, "traceloop.entity.output": "\"sunny\""}),
    ] {
        let told = told("execute_tool weather", &attributes(&of), &[]);
        assert_eq!((&*told.call.name, told.call.id.as_deref(), &told.call.arguments), ("weather", Some("a"), &city), "{of}");
        assert_eq!(told.result, [Part::Text("sunny".to_owned())], "{of}");
    }
}

#[test]
fn what_was_printed_and_cut_is_told_as_far_as_it_goes() {
    let output = attributes(
        &json!({"output": "ToolCallResult(tool_name='weather', tool_kwargs={'city': 'Paris'}, tool_id='a', tool_output=ToolOutput(blocks=[TextBlock(block_type='text', text='sunny')], tool_name='weather', raw_inp..."}),
    );
    let of =
        attributes(&json!({"llamaindex.step.input_summary": "ToolCall(tool_name='weather', tool_kwargs={'city': 'Paris'}, tool_id='a')"}));
    let told = told("FunctionTool.acall", &of, &[("step.output", &output)]);
    assert_eq!((&*told.call.name, told.call.id.as_deref(), &told.call.arguments), ("weather", Some("a"), &json!({"city": "Paris"})));
    assert_eq!(told.result, [Part::Text("sunny".to_owned())]);
    let output = attributes(
        &json!({"output": "AgentOutput(response=ChatMessage(role=<MessageRole.ASSISTANT: 'assistant'>, blocks=[TextBlock(block_type='text', text='Sunny.')]), structured_response=None, curr..."}),
    );
    assert_eq!(lines(&said(&Attributes::new(), &[("step.output", &output)]).output), ["assistant: Sunny."]);
}

/// Depth, number and repetition: nothing takes the stack, and nothing takes more than time linear in the text.
#[test]
fn no_shape_takes_more_than_its_size() {
    let deep = |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
    for text in [
        deep("[", "]", 120),
        deep("{\"input\":", "}", 120),
        deep("{\"content\":[", "]}", 60),
        deep("{\"message\":{\"role\":\"user\",\"content\":", "}}", 60),
        deep("{\"a\":{\"b\":", "}}", 60),
        format!("[{}]", vec![r#"{"role":"user","content":"x"}"#; 5_000].join(",")),
        format!(r#"[{{"role":"user","content":[{}]}}]"#, vec![r#"{"type":"text","text":"x"}"#; 5_000].join(",")),
        "{'input': ".repeat(10_000),
        "[".repeat(100_000),
    ] {
        let started = std::time::Instant::now();
        let of = attributes(&json!({"input.value": text, "gen_ai.output.messages": text, "gen_ai.prompt.0.content": text}));
        let said = said(&of, &[("gen_ai.choice", &of), ("gen_ai.user.message", &of)]);
        assert!(said.input.len() <= MESSAGES_MAX && said.output.len() <= MESSAGES_MAX);
        let html = Show::new().list(&said.all()).into_string();
        assert!(html.len() < 40 * text.len() + 10_000, "{} bytes of {}", html.len(), text.len());
        told("x", &of, &[]);
        assert!(started.elapsed().as_millis() < 2_000, "{:?} took {:?}", &text[..20], started.elapsed());
    }
}

#[test]
fn hostile_text_is_inert_in_every_field() {
    const BAD: &str =
        "a <script>alert(1)</script><img src=x onerror=alert(1)> [x](javascript:alert(1)) ![y](https://example.org/t.png) \u{0}\u{202e}";
    let messages = json!([
        {"role": BAD, "content": BAD},
        {"role": "system", "content": BAD},
        {"role": "user", "content": [{"type": "text", "text": BAD}, {"type": "image_url", "image_url": {"url": BAD}}, {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{BAD}")}}, {"type": "file", "filename": BAD}, {BAD: BAD, "b": BAD}]},
        {"role": "assistant", "reasoning_content": BAD, "content": BAD, "tool_calls": [{"id": BAD, "function": {"name": BAD, "arguments": BAD}}]},
        {"role": "tool", "tool_call_id": BAD, "name": BAD, "content": BAD},
    ]);
    let of = attributes(
        &json!({"gen_ai.input.messages": messages.to_string(), "gen_ai.tool.call.arguments": json!({BAD: BAD}).to_string(), "gen_ai.tool.call.result": BAD}),
    );
    let show = Show::new();
    let mut html = show.list(&said(&of, &[]).all()).into_string();
    let told = told(BAD, &of, &[]);
    html.push_str(&show.call(&told.call, Outcome { result: Some(&told.result), is_error: true }, &maud::html! {}).into_string());
    for bad in ["<script", "<img", "=\"javascript:", "\u{0}"] {
        assert!(!html.contains(bad), "{bad} in {html}");
    }
    assert!(html.matches("alert(1)").count() > 10);
}
