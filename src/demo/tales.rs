//! The conversations of the demo. Data only. Some answers are Markdown, as models write it.

use super::tale::Act::{BrokenTool, Call, Decide, Delegate, EchoedCall, Embed, Fatal, Refused, Search, Step, Stream, Tool, UnseenTool};
use super::tale::{CLAUDE_SONNET, GPT_4O, GPT_4O_MINI, Helper, LLAMA, Tale, Turn};

/// The first three are also the newest, and so at the top of a list: there are a failed run and several agents among them.
pub(super) const TALES: &[Tale] = &[PARCEL, OUTAGE, RESEARCH, NOTES, REVIEW, JOURNEY, ONBOARDING, REFUND, NUMBERS, INVOICES];

const PARCEL: Tale = Tale {
    topic: "support",
    service: "support-desk",
    agent: "support-agent",
    workflow: "customer-support",
    model: &GPT_4O,
    turns: &[
        Turn {
            ask: "Hi, my parcel was due on Tuesday and it is still not here. Order {order}.",
            answer: "I'm sorry about the wait, {name}. Order {order} left our warehouse on Monday and has been at the {city} depot since \
                     yesterday evening. The carrier now says Friday before noon.",
            acts: &[Step("understand the request"), Call, Tool("lookup_order"), Tool("track_parcel"), Call],
        },
        Turn {
            ask: "Friday is no good, I am away. Can a neighbour take it?",
            answer: "Yes. I have put down \"leave with a neighbour\" for order {order}; the driver will put a card through your door.",
            acts: &[Call, Tool("update_delivery"), Stream],
        },
        Turn {
            ask: "Great. And can I get the shipping fee back?",
            answer: "Of course: it arrived later than promised, so the {amount} euro for shipping go back to your card within three days.",
            acts: &[Call, Tool("refund_shipping"), Stream],
        },
        Turn { ask: "Perfect, thank you!", answer: "You're welcome, {name}. Have a good trip!", acts: &[Stream] },
    ],
};

const REFUND: Tale = Tale {
    topic: "support",
    service: "support-desk",
    agent: "support-agent",
    workflow: "customer-support",
    model: &GPT_4O,
    turns: &[
        Turn {
            ask: "The kettle from order {order} leaks. I want my money back.",
            answer: "That should not happen, I'm sorry. Could you tell me whether it leaks at the base or at the lid? The refund of \
                     {amount} euro is yours either way.",
            acts: &[Call, Tool("lookup_order"), Call],
        },
        Turn {
            ask: "At the base, since day one.",
            answer: "Our payment system does not answer at the moment, so I have noted the refund of {amount} euro and a colleague will \
                     confirm it by e-mail today. You need not send the kettle back.",
            acts: &[Call, BrokenTool("issue_refund", "PaymentGatewayTimeout: no answer within 10 s"), Step("hand over to a person"), Call],
        },
        Turn {
            ask: "Nothing came so far?",
            answer: "It went through a minute ago: {amount} euro, reference RF-{order}. Your bank may need two days to show it.",
            acts: &[Refused, Call, Tool("issue_refund"), Call],
        },
    ],
};

const ROUTER: Helper = Helper {
    agent: "router",
    model: &GPT_4O_MINI,
    answer: "intent=literature; sources=papers,web; depth=medium",
    acts: &[Call, Decide("route", &["literature", "calculation", "small talk"])],
};
const RERANKER: Helper =
    Helper { agent: "reranker", model: &GPT_4O_MINI, answer: "kept 6 of 40 passages: 3, 11, 12, 19, 27, 33", acts: &[Call] };
const RETRIEVAL: Helper = Helper {
    agent: "retrieval",
    model: &GPT_4O_MINI,
    answer: "6 passages from 4 papers, the newest of last year",
    acts: &[Embed, Search("papers"), Delegate(&RERANKER), Call],
};
const SYNTHESIZER: Helper = Helper {
    agent: "synthesizer",
    model: &CLAUDE_SONNET,
    answer: "Draft with 5 citations; one claim marked as contested.",
    acts: &[Stream],
};

const RESEARCH: Tale = Tale {
    topic: "research",
    service: "research-assistant",
    agent: "research-lead",
    workflow: "literature-review",
    model: &GPT_4O,
    turns: &[
        Turn {
            ask: "What is known about heat pumps in old brick houses? Numbers from field studies, please.",
            answer: "Field studies of 2019 to 2024 measured seasonal performance factors of 2.6 to 3.4 in unrenovated brick houses; larger \
                     radiators explain most of the spread, insulation of the roof nearly all the rest [1-4].",
            acts: &[Delegate(&ROUTER), Delegate(&RETRIEVAL), Delegate(&SYNTHESIZER), Call],
        },
        Turn {
            ask: "Which of these measured for more than one winter?",
            answer: "Two: the Freiburg study (three winters, 41 houses) and the Sheffield one (two winters, 18 houses) [1, 3].",
            acts: &[Delegate(&ROUTER), Delegate(&RETRIEVAL), Call],
        },
        Turn {
            ask: "Write me a paragraph that I can quote.",
            answer: "\"Across 59 monitored homes, heat pumps in unrenovated brick houses delivered about three units of heat for each unit \
                     of electricity, and the size of the radiators mattered more than the age of the walls.\"",
            acts: &[Delegate(&SYNTHESIZER), Stream],
        },
    ],
};

const INVOICES: Tale = Tale {
    topic: "invoices",
    service: "back-office",
    agent: "invoice-clerk",
    workflow: "accounts-payable",
    model: &GPT_4O_MINI,
    turns: &[
        Turn {
            ask: "Read invoice {order}.pdf and book it.",
            answer: "Booked: {amount}.00 euro to cost centre 4711, due in 30 days. The VAT number of the supplier is valid.",
            acts: &[Step("read the scan"), Call, Tool("extract_fields"), Call, Tool("check_vat"), Tool("book_entry"), Call],
        },
        Turn {
            ask: "Is it the same as the one of last month?",
            answer: "No. The supplier and the amount are the same, the period is not: this one is for the current month.",
            acts: &[Tool("find_similar"), Call],
        },
    ],
};

const REVIEW: Tale = Tale {
    topic: "review",
    service: "code-review",
    agent: "code-reviewer",
    workflow: "pull-request",
    model: &CLAUDE_SONNET,
    turns: &[
        Turn {
            ask: "Review pull request {order}: \"retry uploads with backoff\".",
            answer: "Two findings:\n\n\
                     1. The delay doubles **without an upper limit**, so a long outage ends in hours of silence: cap it.\n\
                     2. `attempt` starts at 1 but is compared with `<=`, which is one try too many.\n\n\
                     ```python\ndelay = min(delay * 2, 30)\nif attempt < max_attempts:\n    retry(delay)\n```",
            acts: &[Step("read the diff"), Call, Tool("read_file"), UnseenTool(&[Call]), Tool("run_tests"), Call],
        },
        Turn {
            ask: "Fixed both. Have another look?",
            answer: "The cap is right. Tests fail for an unrelated reason: `upload_fixture.bin` is missing from the commit.",
            acts: &[Call, BrokenTool("run_tests", "2 of 214 failed: upload_fixture.bin not found"), Call],
        },
        Turn {
            ask: "Added the file.",
            answer: "All 214 tests pass. Approved; nice touch with the jitter.",
            acts: &[Tool("run_tests"), Call],
        },
    ],
};

const JOURNEY: Tale = Tale {
    topic: "travel",
    service: "trip-planner",
    agent: "trip-planner",
    workflow: "itinerary",
    model: &GPT_4O,
    turns: &[
        Turn {
            ask: "I want three quiet days in {city} in spring, by train.",
            answer: "Lovely choice.\n\n\
                     - **Day one**: the old town and the botanical garden\n\
                     - **Day two**: along the river by bike\n\
                     - **Day three**: the market and a late train home\n\n\
                     Shall I look for a small hotel?",
            acts: &[Stream],
        },
        Turn {
            ask: "Yes, up to {amount} euro a night.",
            answer: "Two fit: Pension Linde (quiet courtyard, ten minutes to the station) and Hotel am Wehr (river view, breakfast until \
                     eleven). Both are free for your dates.",
            acts: &[Call, Tool("search_hotels"), Stream],
        },
        Turn {
            ask: "Pension Linde. Book it.",
            answer: "Booked for three nights, free to cancel until two days before. The confirmation {order} is in your mailbox.",
            acts: &[Call, Tool("book_hotel"), Stream],
        },
    ],
};

const ONBOARDING: Tale = Tale {
    topic: "onboarding",
    service: "people-portal",
    agent: "hr-helper",
    workflow: "onboarding",
    model: &GPT_4O_MINI,
    turns: &[
        Turn {
            ask: "How many days of leave do I have in my first year?",
            answer: "30 days a year, and in your first year two and a half for each full month you have been here, {name}.",
            acts: &[Embed, Search("handbook"), Call],
        },
        Turn {
            ask: "And whom do I ask for a second screen?",
            answer: "The service desk in {city}. I have opened request {order} for you; they usually answer within a day.",
            acts: &[Embed, Search("handbook"), Call, Tool("open_ticket"), Call],
        },
    ],
};

const NOTES: Tale = Tale {
    topic: "notes",
    service: "meeting-notes",
    agent: "note-taker",
    workflow: "meetings",
    model: &LLAMA,
    turns: &[
        Turn {
            ask: "Summarise the planning meeting, recording {order}.",
            answer: "Decided: the {city} launch moves by two weeks. Open: who writes the migration guide. Next meeting on Thursday at ten.",
            acts: &[EchoedCall, EchoedCall],
        },
        Turn {
            ask: "List who promised what.",
            answer: "{name}: talk to legal by Wednesday. Jonas: numbers for the pilot. Mei: draft of the migration guide.",
            acts: &[EchoedCall],
        },
    ],
};

const NUMBERS: Tale = Tale {
    topic: "analytics",
    service: "analyst",
    agent: "data-analyst",
    workflow: "ad-hoc-question",
    model: &CLAUDE_SONNET,
    turns: &[
        Turn {
            ask: "Which products sold worse in {city} than last year?",
            answer: "Three of 212:\n\n\
                     | product | change | why |\n\
                     |---|---:|---|\n\
                     | garden chairs | -31 % | out of stock for nine weeks |\n\
                     | kettles | -12 % | as in the whole country |\n\
                     | notebooks | -4 % | as in the whole country |",
            acts: &[
                Step("plan the query"),
                Call,
                Tool("run_sql"),
                BrokenTool("run_sql", "column \"region\" does not exist"),
                Call,
                Tool("run_sql"),
                Call,
            ],
        },
        Turn {
            ask: "Show me the chairs by week.",
            answer: "Sold out from week 14 to 22. Before and after it, sales were 6 % above last year.",
            acts: &[Call, Tool("run_sql"), Tool("draw_chart"), Stream],
        },
    ],
};

const OUTAGE: Tale = Tale {
    topic: "oncall",
    service: "on-call-copilot",
    agent: "on-call-copilot",
    workflow: "incident",
    model: &GPT_4O,
    turns: &[
        Turn {
            ask: "Checkout is slow since 14:05. What changed?",
            answer: "One deployment at 14:02 (payments, build {order}) and nothing else. Right after it\n\n\
                     - its database connections doubled,\n\
                     - the p95 of `POST /checkout` went from 180 ms to 2.4 s.",
            acts: &[Call, Tool("list_deployments"), Tool("query_metrics"), Stream],
        },
        Turn { ask: "Compare the traces of before and after.", answer: "", acts: &[Call, Tool("search_traces"), Refused, Fatal] },
        Turn {
            ask: "Try again, please.",
            answer: "Every checkout now makes 14 queries instead of 2: the new build loads each cart item on its own. Rolling back is safe.",
            acts: &[Call, Tool("search_traces"), Call],
        },
    ],
};
