"use strict";
(function () {
  var all = function (what, inside) { return Array.from((inside || document).querySelectorAll(what)); };
  function make(tag, name, text) {
    var made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  }
  function button(name, text, does) {
    var made = make("button", name, text);
    made.type = "button";
    made.addEventListener("click", does);
    return made;
  }

  // --- links: a place is opened with everything around it, and its address can be copied
  function open(place) {
    var target = place && document.getElementById(place);
    if (!target) return;
    for (var e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
    var head = target.previousElementSibling;
    (head && head.tagName === "SUMMARY" ? head : target).scrollIntoView();
  }
  function follow() {
    var place = location.hash.slice(1);
    try { place = decodeURIComponent(place); } catch (error) { /* as it stands */ }
    open(place);
  }
  addEventListener("hashchange", follow);
  document.addEventListener("click", function (event) {
    var link = event.target.closest("a[href^='#']");
    if (link && link.hash === location.hash) follow();
  });
  function say(text) {
    var status = document.getElementById("status");
    status.textContent = text;
    status.hidden = false;
    clearTimeout(say.timer);
    say.timer = setTimeout(function () { status.hidden = true; }, 2500);
  }
  function copy(text, said) {
    var done = function () { say(said); };
    var by_hand = function () {
      var field = make("textarea");
      field.value = text;
      (document.querySelector("dialog[open]") || document.body).append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
      done();
    };
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, by_hand);
    else by_hand();
  }
  all("details.chapter > .body[id]").forEach(function (body) {
    var link = button("link", "Copy link", function () {
      copy(location.href.split("#")[0] + "#" + body.id, "Link copied");
    });
    link.title = "#" + body.id;
    body.prepend(link);
  });

  // --- tables: sorted by a click on a head, filtered by words
  function value(cell) {
    var text = cell ? (cell.firstElementChild && cell.firstElementChild.tagName === "SMALL" ?
      cell.textContent : Array.from(cell.childNodes).filter(function (n) {
        return n.nodeName !== "SMALL";
      }).map(function (n) { return n.textContent; }).join(" ")).trim() : "";
    var part = text.match(/^1\/([\d.,]+)/);
    if (part) return 1 / Number(part[1].replace(/,/g, ""));
    var number = text.replace(/−/g, "-").match(/-?\d*[\d,]*\.?\d+(e-?\d+)?/);
    if (!number || /[a-z]/i.test(text.replace(/e-\d|about|more than|at most|prompts|of/g, ""))) {
      return text.toLowerCase();
    }
    return Number(number[0].replace(/,/g, ""));
  }
  function order(a, b) {
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return a < b ? -1 : a > b ? 1 : 0;
  }
  function sort(table, column, down) {
    all("tbody", table).forEach(function (body) {
      var rows = all("tr:not(.group)", body).filter(function (r) { return r.cells.length > column; });
      rows.map(function (row, at) { return [value(row.cells[column]), at, row]; })
        .sort(function (a, b) {
          if (typeof a[0] !== typeof b[0]) return order(a[0], b[0]);
          return (down ? -1 : 1) * order(a[0], b[0]) || a[1] - b[1];
        }).forEach(function (one) { body.append(one[2]); });
    });
    all("thead th", table).forEach(function (head, at) {
      if (at === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  }
  function sortable(table) {
    all("thead th", table).forEach(function (head, column) {
      if (head.classList.contains("chart") || !head.textContent.trim()) return;
      var mark = button("sort", "", function () {
        var now = head.getAttribute("aria-sort");
        sort(table, column, now ? now === "ascending" : head.classList.contains("n"));
      });
      var words = all("button.word", head);  // a button holds none: it keeps the text
      words.forEach(function (word) { word.before(word.textContent); });
      mark.append.apply(mark, Array.from(head.childNodes).filter(function (n) {
        return !words.includes(n);
      }));
      words.forEach(function (word) {
        word.setAttribute("aria-label", "What is " + word.textContent + "?");
        word.textContent = "?";
      });
      head.append.apply(head, [mark].concat(words.length ? [" "] : [], words));
    });
  }
  function filterable(table, number) {
    var rows = all("tbody tr:not(.group)", table);
    if (rows.length < 8 || table.closest("header")) return;
    var bar = make("p", "asking"), field = make("input"), count = make("span", "note");
    field.type = "search";
    field.placeholder = "Filter " + rows.length + " rows";
    field.setAttribute("aria-label", "Filter the table " +
      ((table.caption && table.caption.textContent.slice(0, 60)) || number));
    count.setAttribute("role", "status");
    field.addEventListener("input", function () {
      var wanted = field.value.toLowerCase().split(/\s+/), left = 0;
      rows.forEach(function (row) {
        var text = row.textContent.toLowerCase();
        row.hidden = !wanted.every(function (word) { return text.includes(word); });
        left += row.hidden ? 0 : 1;
      });
      count.textContent = field.value ? left + " of " + rows.length : "";
    });
    var heads = all("thead .sort", table), select = make("select", "by");
    select.setAttribute("aria-label", "Sort the table");
    select.append(new Option("Sort by", ""));
    heads.forEach(function (head, at) { select.append(new Option(head.textContent, at)); });
    select.addEventListener("change", function () { if (select.value) heads[select.value].click(); });
    bar.append(field, select, count);
    (table.closest(".scroll") || table).before(bar);
  }
  all("table").forEach(function (table, number) {
    if (table.classList.contains("results") || !table.tHead) return;
    sortable(table);
    filterable(table, number);
  });

  // --- values of a chart, where they are pointed at or tapped
  var tip = make("div", "tip");
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);
  function point(event) {
    var mark = event.target.closest && event.target.closest("svg [data-tip]");
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.dataset.tip;
    var room = innerWidth - tip.offsetWidth - 8;
    tip.style.left = Math.max(8, Math.min(event.clientX + 12, room)) + "px";
    tip.style.top = Math.max(8, event.clientY - tip.offsetHeight - 12) + "px";
  }
  all("svg title").forEach(function (title) {
    title.parentNode.dataset.tip = title.textContent;
    title.remove();
  });
  document.addEventListener("pointerover", point);
  document.addEventListener("pointerdown", point);
  addEventListener("scroll", function () { tip.hidden = true; }, { passive: true });

  // --- phrases and constructions: searched, and opened to the places where they stand
  var block = document.getElementById("telltales");
  var data = block ? JSON.parse(block.textContent) : { models: [], rows: [], places: [], units: [] };
  var rows = data.rows.map(function (row) {
    return { model: row[0], kind: data.kinds[row[1]], text: row[2], human: row[3], model_rate: row[4],
      unit: data.units[row[5]], q: row[6], about: row[7] || "", places: row[8] || [] };
  });
  var box = document.getElementById("places");
  var lower = data.places.map(function (place) { return place[2].toLowerCase(); });
  function places(row) {  // those of the row, else among all that the page has, five a side
    if (row.places.length || row.kind === "construction") return row.places;
    var wanted = row.text.toLowerCase(), left = [5, 5], seen = {};
    return data.places.map(function (_, i) { return i; }).filter(function (i) {
      var place = data.places[i], side = place[0] ? 1 : 0, key = side + place[1];
      if (seen[key] || !left[side] || (side && place[0] !== row.model + 1)) return false;
      if (!lower[i].includes(wanted)) return false;
      left[side] -= 1;
      return (seen[key] = true);
    });
  }
  function show(row) {
    var body = make("div", "found");
    body.append(make("h2", "", row.text));
    if (row.about) body.append(make("p", "soft", row.about));
    body.append(make("p", "", "human " + row.human + ", " + data.models[row.model] + " " +
      row.model_rate + " (" + row.unit + ")" + (row.q ? "; q " + row.q : "")));
    var near = places(row).map(function (i) { return data.places[i]; });
    ["human", "model"].forEach(function (side, at) {
      var here = near.filter(function (place) { return (place[0] ? 1 : 0) === at; });
      var column = make("div", "column");
      column.append(make("h3", "", side === "human" ? "Human" : data.models[row.model]));
      here.forEach(function (place) {
        var one = make("figure", "excerpt " + side), text = make("blockquote");
        text.dataset.excerpt = "";
        text.dir = "auto";
        mark(text, place[2], row.kind === "construction" ? "" : row.text);
        var name = make("figcaption", "", place[1]);
        name.append(" ", button("link", "Copy command", function () {
          copy(data.show + " --document " + quoted(place[1]), "Command copied");
        }));
        one.append(name, text);
        column.append(one);
      });
      if (!here.length) {
        column.append(make("p", "note", "No excerpt that the run keeps of this side has it."));
      }
      body.append(column);
    });
    body.append(make("p", "note", "The whole document: "));
    body.lastChild.append(make("code", "", data.show + " --document ID"));
    box.replaceChildren(button("close", "Close", function () { box.close(); }), body);
    box.showModal();
    box.scrollTop = 0;
  }
  function quoted(text) {
    return /^[\w.,:\/@%+-]+$/.test(text) ? text : "'" + text.replace(/'/g, "'\\''") + "'";
  }
  function mark(element, text, wanted) {
    var at = wanted ? text.toLowerCase().indexOf(wanted.toLowerCase()) : -1;
    if (at < 0) { element.textContent = text; return; }
    element.append(text.slice(0, at), make("mark", "", text.slice(at, at + wanted.length)),
      text.slice(at + wanted.length));
  }
  var known = new Map();
  rows.forEach(function (row) {
    var key = row.model + " " + row.text;
    if (!known.has(key) && row.places.length) known.set(key, row);
  });
  all("[data-of]").forEach(function (element) {
    var row = known.get(element.closest("[data-model]").dataset.model + " " + element.dataset.of);
    if (!row) return;
    var opener = button("open", "", function () { show(row); });
    opener.setAttribute("aria-haspopup", "dialog");
    opener.append.apply(opener, Array.from(element.childNodes));
    element.append(opener);
  });
  if (box) box.addEventListener("click", function (event) { if (event.target === box) box.close(); });
  var field = document.getElementById("phrase");
  if (field) {
    var model = document.getElementById("phrase-model");
    var body = document.querySelector("table.results tbody");
    var said = document.getElementById("phrase-count");
    var search = function () {
      var wanted = field.value.toLowerCase().trim(), of = model ? model.value : "";
      var left = rows.filter(function (row) {
        return (of === "" || row.model === Number(of)) &&
          (row.text.toLowerCase().includes(wanted) || row.kind === wanted);
      });
      said.textContent = left.length + " of " + rows.length +
        (left.length > 100 ? ", the first 100 shown" : "");
      body.replaceChildren.apply(body, left.slice(0, 100).map(function (row) {
        var line = make("tr"), head = make("th");
        head.scope = "row";
        head.append(places(row).length ? button("open", row.text, function () { show(row); }) : row.text);
        line.append(head, make("td", "", row.kind));
        if (model) line.append(make("td", "", data.models[row.model]));
        line.append(make("td", "n", row.human), make("td", "n", row.model_rate),
          make("td", "", row.unit), make("td", "n", row.q || "–"));
        return line;
      }));
    };
    field.addEventListener("input", search);
    if (model) model.addEventListener("change", search);
    sortable(document.querySelector("table.results"));
    search();
  }

  // --- everything is on paper
  addEventListener("beforeprint", function () {
    all("details:not([open])").forEach(function (e) { e.open = true; e.dataset.shut = ""; });
  });
  addEventListener("afterprint", function () {
    all("details[data-shut]").forEach(function (e) { e.open = false; delete e.dataset.shut; });
  });
  document.documentElement.classList.add("scripted");
  follow();
})();
