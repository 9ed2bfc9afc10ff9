"use strict";
// Says that words of a copied excerpt were swapped, and offers it as it is.
document.addEventListener("swapped", function (event) {
  var plain = event.detail, note = document.getElementById("swapped");
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
