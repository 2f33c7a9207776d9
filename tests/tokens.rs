//! Rust source as a row of tokens, with what the rules of the house ask about it: which items are
//! for tests only, and where functions begin and end.

use std::ops::Range;
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Token {
    fn is_word(&self) -> bool {
        self.text.starts_with(|first: char| first.is_alphabetic() || first == '_')
    }
}

/// The tokens of a Rust file in one row, brackets included. Comments are not among them.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let stream = TokenStream::from_str(text).expect("a Rust file that compiles can be read");
    let mut row = Vec::new();
    flatten(stream, &mut row);
    row
}

fn flatten(stream: TokenStream, row: &mut Vec<Token>) {
    for tree in stream {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                let start = group.span_open().start().line;
                let end = group.span_close().end().line;
                row.push(Token { text: open.to_owned(), line: start });
                flatten(group.stream(), row);
                row.push(Token { text: close.to_owned(), line: end });
            }
            other @ (TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_)) => {
                let line = other.span().start().line;
                row.push(Token { text: other.to_string(), line });
            }
        }
    }
}

pub(crate) fn matches_at(tokens: &[Token], at: usize, pattern: &[&str]) -> bool {
    tokens.len() >= at + pattern.len()
        && pattern.iter().zip(&tokens[at..]).all(|(want, token)| token.text == *want)
}

/// How the nesting changes at a token.
fn step(token: &Token) -> isize {
    match token.text.as_str() {
        "(" | "[" | "{" => 1,
        ")" | "]" | "}" => -1,
        _ => 0,
    }
}

/// The items that are compiled for tests only, their attribute included.
pub(crate) fn test_items(tokens: &[Token]) -> Vec<Range<usize>> {
    let mut items = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let alone = matches_at(tokens, at, &["#", "[", "cfg", "(", "test", ")", "]"]);
        let among = matches_at(tokens, at, &["#", "[", "cfg", "(", "all", "(", "test"]);
        if alone || among {
            let end = item_end(tokens, at);
            items.push(at..end);
            at = end;
        } else {
            at += 1;
        }
    }
    items
}

/// The tokens that are not compiled for tests only.
pub(crate) fn without_tests(all: Vec<Token>) -> Vec<Token> {
    let tests = test_items(&all);
    all.into_iter()
        .enumerate()
        .filter(|(index, _)| !tests.iter().any(|item| item.contains(index)))
        .map(|(_, token)| token)
        .collect()
}

/// Where the item that starts at an attribute ends: at its semicolon or at its closing brace.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0;
    // In `use a::{b, c};` and `const A: T = T { .. };` a brace does not end the item.
    let mut ends_with_semicolon = None;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        depth += step(token);
        if depth == 0 && token.is_word() && token.text != "pub" && ends_with_semicolon.is_none() {
            let constant = token.text == "const" && !matches_at(tokens, at + 1, &["fn"]);
            let statement = ["use", "static", "type"].contains(&token.text.as_str());
            ends_with_semicolon = Some(constant || statement);
        }
        let closed = token.text == "}" && ends_with_semicolon != Some(true);
        if depth == 0 && (token.text == ";" || closed) {
            return at + 1;
        }
    }
    tokens.len()
}

pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// Every function that has a body, closures not counted.
pub(crate) fn functions(tokens: &[Token]) -> Vec<Function> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let named = tokens.get(at + 1).is_some_and(Token::is_word);
        if tokens[at].text == "fn"
            && named
            && let Some(open) = body_of(tokens, at + 2)
        {
            let close = item_end(tokens, open);
            let last = tokens[close - 1].line;
            found.push(Function {
                name: tokens[at + 1].text.clone(),
                line: tokens[at].line,
                lines: last + 1 - tokens[at].line,
            });
        }
    }
    found
}

/// The brace that opens the body of the function whose signature goes on at `at`, if it has one.
fn body_of(tokens: &[Token], at: usize) -> Option<usize> {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "{" if depth == 0 => return Some(index),
            ";" if depth == 0 => return None,
            _ => depth += step(token),
        }
    }
    None
}

#[test]
fn a_declaration_and_a_function_pointer_are_no_functions() {
    let text = "trait A { fn a(&self, b: [u8; 2]); }\ntype F = fn(u8) -> u8;\n";
    assert!(functions(&tokens(text)).is_empty());
}

#[test]
fn only_the_items_for_tests_are_left_out() {
    let text = "#[cfg(test)]\nuse a::{b, c};\nfn kept() {}\n#[cfg(test)]\n#[rustfmt::skip]\n\
                pub(crate) const fn left() -> u8 { 1 }\n#[cfg(test)] const C: T = T { a: 1 };\n\
                #[cfg(not(test))]\nfn also_kept() {}\n";
    let tokens = without_tests(tokens(text));
    let names: Vec<String> = functions(&tokens).into_iter().map(|f| f.name).collect();
    assert_eq!(names, ["kept", "also_kept"]);
    assert!(!tokens.iter().any(|token| ["b", "C"].contains(&token.text.as_str())));
}
