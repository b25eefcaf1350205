//! Every message of a connection, held against the protocol's types.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Fault, Schema};

/// What a client has asked, so that it is known what the server's messages must be.
#[derive(Debug, Default)]
pub struct Watch {
    /// Methods of requests that have no answer yet, by id. `None` for what is no request, to which errors come back.
    asked: HashMap<String, Option<String>>,
    /// Methods whose answers may come in parts, by token.
    parts: HashMap<String, String>,
}

impl Watch {
    /// Notes what the client says.
    pub fn sent(&mut self, message: &Value) {
        let Some(id) = message.get("id").filter(|_| message.get("method").is_some()) else { return };
        let method = message["method"].as_str().map(str::to_string);
        if let (Some(method), Some(token)) = (&method, message.pointer("/params/partialResultToken")) {
            self.parts.insert(token.to_string(), method.clone());
        }
        self.asked.insert(id.to_string(), method);
    }

    /// Holds a message of the server against the types.
    pub fn received(&mut self, message: &Value) -> Result<(), Fault> {
        let held = message.as_object().ok_or_else(|| Fault::new("a message is an object"))?;
        if message["jsonrpc"] != "2.0" {
            return Err(Fault::new("a message has `jsonrpc`, which is \"2.0\""));
        }
        let is_known =
            |key: &&String| !["jsonrpc", "id", "method", "params", "result", "error"].contains(&key.as_str());
        if let Some(key) = held.keys().find(is_known) {
            return Err(Fault::new(format!("a message has no `{key}`")));
        }
        match (held.get("method"), held.get("id")) {
            (Some(method), id) => self.said(method, id, held.get("params")),
            (None, Some(id)) => self.answered(id, held.get("result"), held.get("error")),
            (None, None) => Err(Fault::new("a message has a method, an id, or both")),
        }
    }

    fn said(&self, method: &Value, id: Option<&Value>, params: Option<&Value>) -> Result<(), Fault> {
        let schema = Schema::get();
        let name = method.as_str().ok_or_else(|| Fault::new(format!("{method} is no method")))?;
        let known = if id.is_some() { &schema.requests } else { &schema.notifications };
        let told = known.get(name).ok_or_else(|| Fault::new(format!("the protocol has no {name}")))?;
        if told["messageDirection"] == "clientToServer" {
            return Err(Fault::new(format!("{name} is for clients")));
        }
        if let Some(id) = id
            && !(id.is_string() || id.is_i64())
        {
            return Err(Fault::new(format!("{id} is no id")));
        }
        match params {
            Some(params) => schema.check(&told["params"], params).map_err(|why| why.within(name))?,
            None if told["params"] == json!({"kind": "base", "name": "null"}) => {}
            None => return Err(Fault::new(format!("{name} has params"))),
        }
        match (name, params) {
            ("$/progress", Some(params)) => self.progressed(params),
            ("client/registerCapability", Some(params)) => registered(params),
            _ => Ok(()),
        }
    }

    /// A progress is a part of an answer, or one of three states of some work.
    fn progressed(&self, params: &Value) -> Result<(), Fault> {
        let (schema, value) = (Schema::get(), &params["value"]);
        if let Some(method) = self.parts.get(&params["token"].to_string()) {
            let kind = &schema.requests[method]["partialResult"];
            assert!(!kind.is_null(), "{method} has no partial results, and has a token for them");
            return schema.check(kind, value).map_err(|why| why.within(format!("a part of {method}")));
        }
        let state = match value["kind"].as_str() {
            Some("begin") => "WorkDoneProgressBegin",
            Some("report") => "WorkDoneProgressReport",
            Some("end") => "WorkDoneProgressEnd",
            _ => return Err(Fault::new(format!("{value} is no progress"))),
        };
        schema.check_named(state, value).map_err(|why| why.within("$/progress"))
    }

    fn answered(&mut self, id: &Value, result: Option<&Value>, error: Option<&Value>) -> Result<(), Fault> {
        let asked = self.asked.remove(&id.to_string());
        match (result, error) {
            (None, Some(error)) if id.is_null() || asked.is_some() => check_error(error),
            (Some(result), None) => {
                let nothing = || Fault::new(format!("nothing was asked under {id}, or it is answered twice"));
                let method = asked.flatten().ok_or_else(nothing)?;
                let schema = Schema::get();
                let told = schema.requests.get(&method);
                let told = told.ok_or_else(|| Fault::new(format!("the protocol has no {method}")))?;
                schema.check(&told["result"], result).map_err(|why| why.within(method))
            }
            (None, Some(_)) => Err(Fault::new(format!("nothing was asked under {id}, or it is answered twice"))),
            _ => Err(Fault::new("an answer has a result or an error")),
        }
    }
}

fn check_error(error: &Value) -> Result<(), Fault> {
    let is_known = |key: &&String| !["code", "message", "data"].contains(&key.as_str());
    let held = error.as_object().ok_or_else(|| Fault::new("an error is an object"))?;
    if let Some(key) = held.keys().find(is_known) {
        return Err(Fault::new(format!("an error has no `{key}`")));
    }
    if error["code"].as_i64().is_none_or(|code| i32::try_from(code).is_err()) || !error["message"].is_string() {
        return Err(Fault::new(format!("an error has a code and a message: {error}")));
    }
    if error.get("data").is_some_and(Value::is_null) {
        return Err(Fault::new("an error has data or none"));
    }
    Ok(())
}

/// The options of a registration are those of its method.
fn registered(params: &Value) -> Result<(), Fault> {
    let schema = Schema::get();
    for registration in params["registrations"].as_array().unwrap() {
        let method = registration["method"].as_str().unwrap();
        let told = schema.requests.get(method).or_else(|| schema.notifications.get(method));
        let told = told.ok_or_else(|| Fault::new(format!("the protocol has no {method}")))?;
        match (told.get("registrationOptions"), registration.get("registerOptions")) {
            (Some(kind), Some(options)) => schema.check(kind, options).map_err(|why| why.within(method))?,
            (None, Some(_)) => return Err(Fault::new(format!("{method} is registered without options"))),
            (_, None) => {}
        }
    }
    Ok(())
}
