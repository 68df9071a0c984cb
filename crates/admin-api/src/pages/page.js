// Sends the form with the token of the address. Texts from the server are set as text, never as markup.
"use strict";

const form = document.querySelector("form");
const button = form.querySelector("button");
const token = new URLSearchParams(location.hash.slice(1)).get("token") || "";

// The token is needed once; it need not stay in the history.
if (token) {
  history.replaceState(null, "", location.pathname);
} else {
  fail("form", "This address has no token. Open the link in your mail again.");
  button.disabled = true;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  clear();
  const body = { token };
  for (const input of form.querySelectorAll("input")) {
    if (input.value || !("optional" in input.dataset)) body[input.name] = input.value;
  }
  button.disabled = true;
  try {
    const answer = await fetch(form.dataset.post, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const content = await answer.json();
    if (answer.ok) return done(content);
    const faults = content.errors || [];
    for (const fault of faults) fail(fault.pointer.slice(1), fault.message);
    if (!faults.length) fail("form", content.detail || content.title);
  } catch {
    fail("form", "The server does not answer. Try again in a moment.");
  }
  button.disabled = false;
});

function clear() {
  for (const place of form.querySelectorAll(".fault")) place.hidden = true;
  for (const input of form.querySelectorAll("input")) input.removeAttribute("aria-invalid");
}

function fail(name, message) {
  const place = document.getElementById(`${name}-fault`) || document.getElementById("form-fault");
  place.textContent = message;
  place.hidden = false;
  const input = document.getElementById(name);
  if (input) {
    input.setAttribute("aria-invalid", "true");
    input.focus();
  }
}

function done(content) {
  form.hidden = true;
  const place = document.getElementById("done");
  const heading = document.createElement("h2");
  heading.textContent = form.dataset.done;
  const list = document.createElement("dl");
  for (const [label, value] of [
    ["Account", content.account_id],
    ["Session token, for twelve hours; shown once", content.session_token],
    ["Next", `${location.origin}/docs/`],
  ]) {
    const term = document.createElement("dt");
    const detail = document.createElement("dd");
    term.textContent = label;
    detail.textContent = value;
    list.append(term, detail);
  }
  place.replaceChildren(heading, list);
  place.hidden = false;
}
