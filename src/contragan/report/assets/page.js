"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const live = document.getElementById("live");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const LINES = {
    light: ["#0b5fb5", "#c2410c", "#15803d", "#7e22ce", "#a8186b", "#0f766e", "#854d0e", "#475569"],
    dark: ["#6cb2ff", "#ff9d5c", "#5fd38d", "#cfa0ff", "#ff8ac4", "#4fd6c8", "#e5c15a", "#b6c2d2"],
  };
  const DASHES = [["solid", ""], ["dash", "6 3"], ["dot", "2 3"], ["dashdot", "6 3 2 3"]];
  const count = (n) => n.toLocaleString("en-US");
  const short = (v) => (v === null ? "not finite" : String(+v.toPrecision(4)));
  // Plotly reads markup in what it shows.
  const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const color = (i) => LINES[dark.matches ? "dark" : "light"][i % 8];
  const dash = (i) => DASHES[Math.floor(i / 8) % 4];

  function make(kind, attributes = {}, ...children) {
    const node = document.createElement(kind);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "onclick") node.addEventListener("click", value);
      else node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  // ---- curves -------------------------------------------------------------------------------
  function layout() {
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--ink"), line = style.getPropertyValue("--line");
    const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, automargin: true };
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
      font: { color: ink, size: 12, family: "system-ui, sans-serif" },
      margin: { l: 48, r: 12, t: 8, b: 40 }, hovermode: "closest",
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
      hoverlabel: { bgcolor: style.getPropertyValue("--card"), bordercolor: line, font: { color: ink }, namelength: -1 },
      xaxis: { ...axis, title: { text: "iteration", standoff: 6 } }, yaxis: { ...axis },
    };
  }

  function draw(figure) {
    const chart = data.charts[figure.dataset.chart];
    const title = figure.querySelector("figcaption").textContent;
    const plot = make("div", { class: "plot", tabindex: "0", role: "group", "aria-roledescription": "chart",
      "aria-label": `${title}: ${chart.lines.length} lines over iterations. Left and right arrow keys read values; a table follows.` });
    const shown = chart.lines.map(() => true);
    const legend = make("div", { class: "legend", role: "group", "aria-label": `Lines of ${title}` });
    const swatches = chart.lines.map((line, i) => {
      const swatch = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      swatch.setAttribute("width", 24); swatch.setAttribute("height", 8); swatch.setAttribute("aria-hidden", "true");
      const stroke = document.createElementNS("http://www.w3.org/2000/svg", "line");
      for (const [k, v] of [["x1", 0], ["x2", 24], ["y1", 4], ["y2", 4], ["stroke-width", 3], ["stroke-dasharray", dash(i)[1]]]) stroke.setAttribute(k, v);
      stroke.setAttribute("stroke", color(i));
      swatch.append(stroke);
      legend.append(make("button", { type: "button", "aria-pressed": "true", onclick: (event) => {
        shown[i] = !shown[i];
        event.currentTarget.setAttribute("aria-pressed", String(shown[i]));
        Plotly.restyle(plot, { visible: shown[i] }, [i]);
      } }, swatch, make("bdi", {}, line.name)));
      return stroke;
    });
    const scale = (factor) => {
      const [low, high] = plot._fullLayout.xaxis.range, middle = (low + high) / 2, half = ((high - low) / 2) * factor;
      Plotly.relayout(plot, { "xaxis.range": [middle - half, middle + half] });
    };
    const zoom = make("div", { class: "zoom", role: "group", "aria-label": `Zoom of ${title}` },
      make("button", { type: "button", onclick: () => scale(0.5) }, "Zoom in"),
      make("button", { type: "button", onclick: () => scale(2) }, "Zoom out"),
      make("button", { type: "button", onclick: () => Plotly.relayout(plot, { "xaxis.autorange": true, "yaxis.autorange": true }) }, "Whole"),
      make("button", { type: "button", "aria-pressed": "false", onclick: (event) => {
        const on = event.currentTarget.getAttribute("aria-pressed") !== "true";
        event.currentTarget.setAttribute("aria-pressed", String(on));
        Plotly.relayout(plot, { "yaxis.type": on ? "log" : "linear" });
      } }, "Logarithmic"));
    const table = make("details", {}, make("summary", {}, "As a table"));
    table.addEventListener("toggle", () => { if (table.open && table.children.length === 1) table.append(asTable(chart, title)); });
    figure.append(legend, plot, zoom, table);
    const traces = chart.lines.map((line, i) => ({
      type: "scatter", mode: line.x.length > 60 ? "lines" : "lines+markers", name: plain(line.name), x: line.x, y: line.y,
      line: { color: color(i), width: 2, dash: dash(i)[0] }, marker: { size: 5, color: color(i) },
      hovertemplate: "%{fullData.name}<br>iteration %{x:,}: %{y:.4~g}<extra></extra>",
    }));
    Plotly.newPlot(plot, traces, layout(), { responsive: true, displayModeBar: false });
    plot.querySelectorAll("svg").forEach((svg) => svg.setAttribute("aria-hidden", "true"));
    dark.addEventListener("change", () => {
      swatches.forEach((stroke, i) => stroke.setAttribute("stroke", color(i)));
      const now = layout();
      Plotly.update(plot, { "line.color": traces.map((_, i) => color(i)), "marker.color": traces.map((_, i) => color(i)) },
        { font: now.font, hoverlabel: now.hoverlabel, "xaxis.gridcolor": now.xaxis.gridcolor, "yaxis.gridcolor": now.yaxis.gridcolor,
          "xaxis.zerolinecolor": now.xaxis.gridcolor, "yaxis.zerolinecolor": now.xaxis.gridcolor });
    });
    const steps = [...new Set(chart.lines.flatMap((line) => line.x))].sort((a, b) => a - b);
    let at = -1;
    plot.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1, Home: -steps.length, End: steps.length }[event.key];
      if (!move) return;
      event.preventDefault();
      at = Math.max(0, Math.min(steps.length - 1, at + move));
      const points = [], words = [];
      chart.lines.forEach((line, i) => {
        const k = line.x.indexOf(steps[at]);
        if (k < 0 || !shown[i]) return;
        points.push({ curveNumber: i, pointNumber: k });
        words.push(`${line.name} ${short(line.y[k])}`);
      });
      if (points.length) Plotly.Fx.hover(plot, points);
      live.textContent = `Iteration ${count(steps[at])}: ${words.join(", ")}`;
    });
  }

  function asTable(chart, title) {
    const all = [...new Set(chart.lines.flatMap((line) => line.x))].sort((a, b) => a - b);
    const most = 30, steps = all.length <= most ? all : Array.from({ length: most }, (_, i) => all[Math.round((i * (all.length - 1)) / (most - 1))]);
    const head = make("tr", {}, make("th", { scope: "col" }, "Iteration"), ...chart.lines.map((line) => make("th", { scope: "col" }, make("bdi", {}, line.name))));
    const rows = steps.map((step) => make("tr", {}, make("th", { scope: "row" }, count(step)), ...chart.lines.map((line) => {
      const k = line.x.indexOf(step);
      return make("td", {}, k < 0 ? "–" : short(line.y[k]));
    })));
    const said = steps.length < all.length ? `${title}: ${steps.length} of ${all.length} points` : title;
    return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table of ${title}` },
      make("table", {}, make("caption", {}, said), make("thead", {}, head), make("tbody", {}, ...rows)));
  }

  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { observer.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "400px" });
  document.querySelectorAll(".chart").forEach((figure) => observer.observe(figure));

  // ---- sliders ------------------------------------------------------------------------------
  function player(box, slider, output, button, steps, show) {
    let timer = null;
    const stop = () => { clearInterval(timer); timer = null; button.textContent = "Play"; };
    const go = (index) => {
      slider.value = index;
      const text = count(steps[index]);
      output.textContent = text;
      slider.setAttribute("aria-valuetext", `iteration ${text}`);
      show(index);
    };
    slider.max = steps.length - 1;
    slider.addEventListener("input", () => { stop(); go(+slider.value); });
    button.addEventListener("click", () => {
      if (timer !== null) { stop(); return; }
      button.textContent = "Pause";
      if (+slider.value >= steps.length - 1) go(0);
      timer = setInterval(() => { if (+slider.value >= steps.length - 1) stop(); else go(+slider.value + 1); }, 400);
    });
    box.hidden = steps.length < 2;
    go(steps.length - 1);
  }

  const figures = [...document.querySelectorAll("figure.grid[data-run]")];
  if (figures.length) {
    const all = figures.map((figure) => {
      const frames = data.grids[figure.dataset.run], image = figure.querySelector("img");
      frames[frames.length - 1].src = image.src;
      return { frames, image, at: figure.querySelector(".at"), label: figure.querySelector("bdi").textContent };
    });
    const steps = [...new Set(all.flatMap((one) => one.frames.map((frame) => frame.step)))].sort((a, b) => a - b);
    player(document.getElementById("player"), document.getElementById("step"), document.getElementById("step-out"), document.getElementById("play"), steps, (index) => {
      for (const one of all) {
        const frame = [...one.frames].reverse().find((f) => f.step <= steps[index]) || one.frames[0];
        if (one.image.src !== frame.src) one.image.src = frame.src;
        one.at.textContent = `iteration ${count(frame.step)}`;
        one.image.alt = `Sample grid of ${one.label} at iteration ${count(frame.step)}: one row per class`;
      }
    });
  }

  // ---- confusion ----------------------------------------------------------------------------
  function confusion(box) {
    const found = data.confusions[box.dataset.confusion], id = `confusion-${box.dataset.confusion}`;
    const slider = make("input", { type: "range", min: "0", value: "0", step: "1", id });
    const output = make("output", { for: id }), button = make("button", { type: "button" }, "Play");
    const controls = make("div", { class: "player" }, button, make("label", { for: id }, "Iteration"), slider, output);
    const text = make("ul", { class: "faults" });
    const body = make("tbody"), caption = make("caption");
    const head = make("tr", {}, make("th", { scope: "col" }, "asked \\ seen"), ...found.names.map((name) => make("th", { scope: "col" }, make("bdi", {}, name))));
    box.append(controls, text, make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Confusion matrix of ${box.dataset.label}` },
      make("table", { class: "matrix" }, caption, make("thead", {}, head), body)));
    player(controls, slider, output, button, found.frames.map((frame) => frame.step), (index) => {
      const frame = found.frames[index];
      const kinds = new Map(frame.marks.map(([row, column, kind]) => [`${row} ${column}`, kind]));
      text.replaceChildren(...frame.text.map((line) => make("li", {}, make("bdi", {}, line))));
      caption.textContent = `Generated images at iteration ${count(frame.step)}, per cent of each class asked for`;
      body.replaceChildren(...frame.rows.map((row, i) => make("tr", {}, make("th", { scope: "row" }, make("bdi", {}, found.names[i])), ...row.map((n, j) => {
        const share = frame.totals[i] ? n / frame.totals[i] : 0, kind = kinds.get(`${i} ${j}`);
        const cell = make("td", { title: `${found.names[i]} seen as ${found.names[j]}: ${n} of ${frame.totals[i]}${kind ? `, ${kind}` : ""}` }, share ? String(Math.round(share * 100)) : "");
        cell.style.setProperty("--v", share.toFixed(3));
        if (kind) { cell.classList.add(kind); cell.append(make("span", { class: "hidden" }, ` ${kind}`)); }
        return cell;
      }))));
    });
  }
  document.querySelectorAll(".confusion").forEach((box) => {
    const outer = box.closest("details");
    const once = () => { if (outer.open && !box.children.length) confusion(box); };
    once();
    outer.addEventListener("toggle", once);
  });

  // ---- sorting ------------------------------------------------------------------------------
  document.querySelectorAll(".sortable").forEach((table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
      const rising = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const value = (row) => row.cells[column].dataset.value;
      const order = (a, b) => {
        if (column === 0) return a.cells[0].textContent.localeCompare(b.cells[0].textContent, "en", { numeric: true }) * (rising ? 1 : -1);
        if (value(a) === "" || value(b) === "") return (value(a) === "") - (value(b) === "");
        return (value(a) - value(b)) * (rising ? 1 : -1);
      };
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
    }));
  });

  // ---- links to what is folded --------------------------------------------------------------
  const unfold = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) { target.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", unfold);
  unfold();
})();
