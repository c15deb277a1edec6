//! How a message becomes a request, and how that is signed.

use pusher_sender_sdk::pushers::Pusher;
use serde::Deserialize;

use crate::params;

/// What an application pushes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Data {
    phone_number: Option<String>,
    params: Option<String>,
    sign_name: String,
    template: String,
}

impl Data {
    /// Reads the data of a message.
    pub(crate) fn parse(data: &str) -> Result<Self, String> {
        let data: Self = serde_json::from_str(data).map_err(|error| format!("the data is no SMS: {error}"))?;
        // The platform refuses both; saying so here says it better.
        match (data.sign_name.is_empty(), data.template.is_empty()) {
            (true, _) => Err("the SMS has no signName".to_owned()),
            (_, true) => Err("the SMS has no template".to_owned()),
            _ => Ok(data),
        }
    }

    /// The number that the SMS goes to: the data's own, or else the recipient's.
    pub(crate) fn number<'a>(&'a self, pusher: &'a Pusher) -> Option<&'a str> {
        let own = self.phone_number.as_deref().filter(|number| !number.is_empty());
        own.or(Some(&pusher.phone_number)).filter(|number| !number.is_empty())
    }
}

/// Names and values of a form.
pub(crate) type Form = Vec<(&'static str, String)>;

/// The parameters of the request, sorted by name.
pub(crate) fn request(app_key: &str, number: &str, data: &Data, pusher: &Pusher, now: u64) -> Form {
    let text = data.params.as_deref().unwrap_or_default();
    let text = params::fill_in(text, pusher).unwrap_or_else(|error| {
        eprintln!("`params` {error}; they are sent as they stand");
        text.to_owned()
    });
    let mut form = vec![
        ("app_key", app_key.to_owned()),
        ("format", "json".to_owned()),
        ("method", "alibaba.aliqin.fc.sms.num.send".to_owned()),
        ("rec_num", number.to_owned()),
        ("sign_method", "hmac".to_owned()),
        ("sms_free_sign_name", data.sign_name.clone()),
        ("sms_param", text),
        ("sms_template_code", data.template.clone()),
        ("sms_type", "normal".to_owned()),
        ("timestamp", beijing_time(now)),
        ("v", "2.0".to_owned()),
    ];
    // The platform's own clients leave an empty parameter out of what is signed, name and all.
    form.retain(|(_, value)| !value.is_empty());
    form
}

/// Adds the signature: upper-case hex of the HMAC-MD5 over each name and value, sorted by name, with nothing between.
pub(crate) fn sign(mut form: Form, app_secret: &str) -> Form {
    form.push(("sign", hmac_md5::sign(app_secret, form.iter().map(|(name, value)| (*name, value.as_str())))));
    form
}

/// Unix seconds as the platform writes a time: `2016-01-01 12:00:00`, in UTC+8.
fn beijing_time(now: u64) -> String {
    let seconds = now + 8 * 3600;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // The calendar repeats every 146,097 days (400 years). Counted from 1 March 0000, the leap day is a year's last.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    let year = 400 * era + year;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pusher(phone_number: &str) -> Pusher {
        Pusher {
            id: "lupino".into(),
            email: String::new(),
            nickname: "小明".into(),
            phone_number: phone_number.into(),
            senders: vec![],
            tags: vec![],
            created_at: 0,
        }
    }

    fn data(text: &str) -> Data {
        Data::parse(text).unwrap()
    }

    #[test]
    fn the_request_is_the_go_programs() {
        let data = data(r#"{"params": "{\"name\":\"{{.NickName}}\"}", "signName": "测试", "template": "SMS_1"}"#);
        let pusher = pusher("13000000000");
        let form = request("12345678", data.number(&pusher).unwrap(), &data, &pusher, 1_451_620_800);
        assert!(form.is_sorted());
        let form = sign(form, "secret");
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(
            form,
            [
                ("app_key", "12345678"),
                ("format", "json"),
                ("method", "alibaba.aliqin.fc.sms.num.send"),
                ("rec_num", "13000000000"),
                ("sign_method", "hmac"),
                ("sms_free_sign_name", "测试"),
                ("sms_param", r#"{"name":"小明"}"#),
                ("sms_template_code", "SMS_1"),
                ("sms_type", "normal"),
                ("timestamp", "2016-01-01 12:00:00"),
                ("v", "2.0"),
                ("sign", "2DB7467A178EF9E76672CFE77DABAA04"),
            ]
        );
    }

    /// The parameters are those of the platform's page on signatures, which orders them `bar2foo1foo_bar3foobar4`. It
    /// does not sign them: that, here and above, was worked out with Python's `hmac`.
    #[test]
    fn parameters_are_signed_without_anything_between() {
        let form = vec![("bar", "2".into()), ("foo", "1".into()), ("foo_bar", "3".into()), ("foobar", "4".into())];
        assert_eq!(sign(form, "helloworld").pop().unwrap(), ("sign", "E687005F819D6F9E6ED085311C8ACC75".into()));
    }

    #[test]
    fn params_may_be_missing_and_need_not_be_a_template() {
        let sent = |text: &str| {
            let form = request("1", "2", &data(text), &pusher(""), 0);
            form.into_iter().find(|(name, _)| *name == "sms_param").map(|(_, value)| value)
        };
        assert_eq!(sent(r#"{"signName": "a", "template": "b"}"#), None);
        assert_eq!(sent(r#"{"signName": "a", "template": "b", "params": ""}"#), None);
        assert_eq!(sent(r#"{"signName": "a", "template": "b", "params": "{{oops"}"#).unwrap(), "{{oops");
    }

    #[test]
    fn the_number_is_the_datas_or_else_the_recipients() {
        let number = |text: &str, own: &str| data(text).number(&pusher(own)).map(str::to_owned);
        let without = r#"{"signName": "a", "template": "b", "phoneNumber": "", "createdAt": 1}"#;
        assert_eq!(number(without, "13000000000").unwrap(), "13000000000");
        assert_eq!(number(without, ""), None);
        let with = r#"{"signName": "a", "template": "b", "phoneNumber": "13000000001"}"#;
        assert_eq!(number(with, "13000000000").unwrap(), "13000000001");
    }

    #[test]
    fn data_needs_a_signature_and_a_template() {
        for data in ["", "1", "{}", r#"{"signName": "", "template": "t"}"#, r#"{"signName": "s", "template": ""}"#] {
            assert!(Data::parse(data).is_err(), "{data}");
        }
    }

    #[test]
    fn times_are_those_of_beijing() {
        assert_eq!(beijing_time(0), "1970-01-01 08:00:00");
        assert_eq!(beijing_time(951_753_599), "2000-02-28 23:59:59");
        assert_eq!(beijing_time(951_753_600), "2000-02-29 00:00:00");
        assert_eq!(beijing_time(951_840_000), "2000-03-01 00:00:00");
        assert_eq!(beijing_time(1_735_660_799), "2024-12-31 23:59:59");
        assert_eq!(beijing_time(1_735_660_800), "2025-01-01 00:00:00");
        assert_eq!(beijing_time(4_107_513_599), "2100-02-28 23:59:59");
        assert_eq!(beijing_time(4_107_513_600), "2100-03-01 00:00:00");
    }
}
