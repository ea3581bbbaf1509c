"use strict";
// Copy buttons, the keyboard, the live list of runs, and live curves. Pages work without it.

const say = (place, part, text) => {
  const found = place.querySelector(`[data-part="${part}"]`);
  const shown = text || found?.dataset.none || "";
  if (found && found.textContent !== shown) found.textContent = shown;
};

const duration = (seconds) =>
  seconds < 90 ? `${Math.round(seconds)} s`
  : seconds < 5400 ? `${Math.round(seconds / 60)} min`
  : `${(seconds / 3600).toFixed(1)} h`;

const count = (number) => number.toLocaleString("en");

const short = (value) => (value === null ? "–" : Number(value.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 }));

function showState(place, state) {
  const cell = place.querySelector('[data-part="state"] .badge');
  if (cell && cell.textContent !== state.state) {
    cell.textContent = state.state;
    cell.className = `badge ${state.state}`;
  }
  const bar = place.querySelector('[data-part="progress"]');
  if (bar) bar.value = state.progress;
  if (state.budget) say(place, "steps", `${count(state.steps)} of ${count(state.budget)}`);
  say(place, "rate", state.rate === null ? "" : count(state.rate));
  say(place, "left", state.left === null ? "" : duration(state.left));
  say(place, "score", state.score === null ? "" : short(state.score));
  say(place, "note", state.note);
}

// --- copy buttons and the keyboard

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.firstChild.textContent = "Copied";
  } catch {
    button.firstChild.textContent = "Select it by hand";
  }
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey || (typing && event.key !== "Escape")) return;
  if (event.key === "/") {
    const search = document.getElementById("q");
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === "Escape" && typing) {
    event.preventDefault(); // a search would be emptied
    typing.blur();
  } else if (event.key === "j" || event.key === "k") {
    const links = [...document.querySelectorAll("[data-step]")];
    const at = links.indexOf(document.activeElement);
    const next = links[event.key === "j" ? at + 1 : Math.max(at - 1, 0)];
    if (next) next.focus();
  }
});

for (const choice of document.querySelectorAll("[data-reload]")) {
  choice.addEventListener("change", () => {
    const address = new URL(location.href);
    address.search = new URLSearchParams({ task: choice.value, code: document.getElementById("code").value });
    location.assign(address);
  });
}

// --- the list of runs

const list = document.querySelector("[data-states]");
if (list) {
  const rows = new Map([...list.querySelectorAll("[data-run]")].map((row) => [row.dataset.run, row]));
  const busy = () => [...rows].filter(([, row]) => /running|starting/.test(row.querySelector(".badge").textContent));
  const look = async () => {
    const ids = busy().map(([id]) => `id=${id}`);
    if (ids.length && !document.hidden) {
      try {
        const answer = await fetch(`${list.dataset.states}?${ids.join("&")}`);
        for (const [id, state] of Object.entries(await answer.json())) showState(rows.get(id), state);
      } catch {
        // the server is away; it is asked again
      }
    }
    if (busy().length) setTimeout(look, 2000);
  };
  setTimeout(look, 1000);
}

// --- one run

const live = document.querySelector("[data-live]");
if (live && live.dataset.live) {
  const chart = live.querySelector("[data-chart]");
  const choice = live.querySelector("[data-metric]");
  const latest = live.querySelector("[data-latest]");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let curves = new Map();
  let plot = null;
  let waiting = false;

  const add = (rows) => {
    for (const row of rows) {
      for (const [name, value] of Object.entries(row)) {
        if (name === "steps") continue;
        if (!curves.has(name)) curves.set(name, [[], []]);
        const [steps, values] = curves.get(name);
        steps.push(row.steps);
        values.push(value);
      }
    }
  };

  const options = () => {
    const known = [...choice.options].map((option) => option.value);
    for (const name of [...curves.keys()].sort()) {
      if (!known.includes(name)) choice.add(new Option(name, name));
    }
    if (!choice.dataset.chosen) {
      const first = ["evaluation/return", "train/return"].find((name) => curves.has(name));
      if (first) choice.value = first;
    }
  };

  const draw = () => {
    waiting = false;
    if (!chart) return;
    options();
    const data = curves.get(choice.value) || [[], []];
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const grid = { stroke: colour("--rule"), width: 1 };
    const axis = { stroke: colour("--faint"), grid, ticks: grid };
    if (plot) plot.destroy();
    plot = new uPlot(
      {
        width: chart.clientWidth,
        height: 300,
        scales: { x: { time: false } },
        legend: { live: true },
        axes: [{ ...axis, label: "native environment steps" }, { ...axis, size: 64 }],
        series: [
          { label: "steps" },
          { label: choice.value, stroke: colour("--accent"), width: 2, points: { show: data[0].length < 40 } },
        ],
      },
      data,
      chart,
    );
    latest.replaceChildren(
      ...[...curves].sort().map(([name, [steps, values]]) => {
        const row = document.createElement("tr");
        for (const [text, kind] of [[name, ""], [short(values.at(-1)), "number"], [count(steps.at(-1)), "number"]]) {
          const cell = row.insertCell();
          cell.textContent = text;
          cell.className = kind;
        }
        return row;
      }),
    );
  };

  const soon = () => {
    if (!waiting) {
      waiting = true;
      requestAnimationFrame(draw);
    }
  };

  if (choice) {
    choice.addEventListener("change", () => {
      choice.dataset.chosen = "yes";
      soon();
    });
    addEventListener("resize", soon);
    dark.addEventListener("change", soon);
  }

  const source = new EventSource(live.dataset.live);
  source.addEventListener("again", () => { curves = new Map(); });
  source.addEventListener("rows", (event) => { add(JSON.parse(event.data)); if (chart) soon(); });
  let before = null;
  source.addEventListener("state", (event) => {
    const state = JSON.parse(event.data);
    if (!state) return;
    showState(live, state);
    const active = /running|starting/.test(state.state);
    if (before === null) before = /running|starting/.test(live.querySelector(".actions")?.dataset.was ?? "") || active;
    if ((before && !active) || (active && state.steps && !chart)) location.reload(); // other buttons, or curves
    before = active;
  });
  source.addEventListener("end", () => source.close());
}
