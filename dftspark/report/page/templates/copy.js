"use strict";
(function () {
  var strange = ["mango", "otter", "papaya", "hedgehog", "kiwi", "red panda", "lychee", "quokka",
    "apricot", "duckling", "persimmon", "axolotl", "fig", "puffin", "plum", "hamster", "guava",
    "koala", "quince", "seal pup"];
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
      words = words.slice(0, places[i][0]) + strange[Math.floor(Math.random() * strange.length)] +
        words.slice(places[i][0] + places[i][1]);
    }
    return words;
  }
  // What is selected, by block: [element, its selected text].
  function blocks(selection) {
    var made = [];
    for (var r = 0; r < selection.rangeCount; r += 1) {
      var range = selection.getRangeAt(r), root = range.commonAncestorContainer;
      var nodes = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
      var node = root.nodeType === Node.TEXT_NODE ? root : nodes.nextNode();
      for (; node; node = nodes.nextNode()) {
        if (!range.intersectsNode(node)) continue;
        var start = node === range.startContainer ? range.startOffset : 0;
        var end = node === range.endContainer ? range.endOffset : node.data.length;
        var block = node.parentElement.closest("blockquote,p,li,td,th,figcaption,h1,h2,h3,summary,div");
        var last = made[made.length - 1];
        if (last && last[0] === block) last[1] += node.data.slice(start, end);
        else made.push([block, node.data.slice(start, end)]);
      }
    }
    return made.filter(function (one) { return one[1].trim(); });
  }
  function swapped() {
    var selection = document.getSelection(), touched = false;
    if (!selection || selection.isCollapsed) return null;
    var texts = blocks(selection).map(function (one) {
      if (!one[0] || !one[0].closest("blockquote[data-excerpt]")) return one[1];
      var words = swap(one[1]);
      touched = touched || words !== one[1];
      return words;
    });
    return touched ? texts.join("\n") : null;
  }
  document.addEventListener("copy", function (event) {
    var text = event.defaultPrevented ? null : swapped();
    if (text === null) return;
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
    var plain = document.getSelection().toString();
    document.dispatchEvent(new CustomEvent("swapped", { detail: plain }));
  });
  document.addEventListener("dragstart", function (event) {
    var text = swapped();
    if (text === null) return;
    event.dataTransfer.clearData();
    event.dataTransfer.setData("text/plain", text);
  });
})();
