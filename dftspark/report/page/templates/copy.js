"use strict";
document.addEventListener("copy", function (event) {
  var strange = ["mango", "otter", "papaya", "hedgehog", "kiwi", "red panda", "lychee", "quokka",
    "apricot", "duckling", "persimmon", "axolotl", "fig", "puffin", "plum", "hamster", "guava",
    "koala", "quince", "seal pup"];
  var selection = document.getSelection();
  if (event.defaultPrevented || !selection || selection.isCollapsed) return;
  var touched = false, text = "", last = null;
  function swap(words) {
    var places = [], pattern = /[\p{L}\p{N}]{3,}/gu, found;
    while ((found = pattern.exec(words))) places.push([found.index, found[0].length]);
    if (!places.length) return words;
    var few = Math.max(1, Math.round(places.length / 8)), taken = {};
    while (few > 0) {
      var at = Math.floor(Math.random() * places.length);
      if (!taken[at]) { taken[at] = true; few -= 1; }
    }
    for (var i = places.length - 1; i >= 0; i -= 1) {
      if (!taken[i]) continue;
      touched = true;
      words = words.slice(0, places[i][0]) + strange[Math.floor(Math.random() * strange.length)] +
        words.slice(places[i][0] + places[i][1]);
    }
    return words;
  }
  for (var r = 0; r < selection.rangeCount; r += 1) {
    var range = selection.getRangeAt(r), root = range.commonAncestorContainer;
    var nodes = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    var node = root.nodeType === Node.TEXT_NODE ? root : nodes.nextNode();
    for (; node; node = nodes.nextNode()) {
      if (!range.intersectsNode(node)) continue;
      var start = node === range.startContainer ? range.startOffset : 0;
      var end = node === range.endContainer ? range.endOffset : node.data.length;
      var words = node.data.slice(start, end), block = node.parentElement.closest("blockquote,p,li,td,th,figcaption,h1,h2,h3,summary,div");
      if (!words.trim()) continue;
      if (node.parentElement.closest("blockquote[data-excerpt]")) words = swap(words);
      text += (last && last !== block ? "\n" : "") + words;
      last = block;
    }
  }
  if (!touched) return;
  event.clipboardData.setData("text/plain", text);
  event.preventDefault();
  var plain = selection.toString(), note = document.getElementById("swapped");
  if (!note) {
    note = document.createElement("p");
    note.id = "swapped";
    note.setAttribute("role", "status");
  }
  var as_it_is = document.createElement("button"), close = document.createElement("button");
  as_it_is.type = close.type = "button";
  as_it_is.textContent = "Copy as is";
  close.textContent = "Leave it";
  as_it_is.addEventListener("click", function () {
    var write = function (again) {
      again.clipboardData.setData("text/plain", plain);
      again.preventDefault();
    };
    window.addEventListener("copy", write, { capture: true, once: true });
    document.execCommand("copy");
    window.removeEventListener("copy", write, { capture: true });
    note.remove();
  });
  close.addEventListener("click", function () { note.remove(); });
  note.replaceChildren("A few words of what was copied are now fruits and animals. ", as_it_is, " ", close);
  (document.querySelector("dialog[open]") || document.body).append(note);
});
