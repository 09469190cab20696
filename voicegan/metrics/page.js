"use strict";

// One sound at a time, and a line that runs over its picture.
const players = [...document.querySelectorAll("figure")].map((figure) => ({
  audio: figure.querySelector("audio"),
  mel: figure.querySelector(".mel"),
  line: figure.querySelector(".mel i"),
}));
for (const { audio, mel, line } of players) {
  const follow = () => {
    line.style.display = "block";
    line.style.left = `${(100 * audio.currentTime) / (audio.duration || 1)}%`;
    if (!audio.paused) requestAnimationFrame(follow);
  };
  audio.addEventListener("play", () => {
    for (const other of players) if (other.audio !== audio) other.audio.pause();
    follow();
  });
  audio.addEventListener("seeked", follow);
  mel.addEventListener("click", (event) => {
    const box = mel.getBoundingClientRect();
    audio.currentTime = ((event.clientX - box.left) / box.width) * (audio.duration || 0);
    audio.play();
  });
}

// Headings sort the table, the worst first and then the best; the sounds follow.
const table = document.querySelector(".overview");
const value = (line, column) => line.cells[column].dataset.value;
for (const button of table.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const heading = button.parentElement;
    const order = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", order === 1 ? "ascending" : "descending");
    const lines = [...table.tBodies[0].rows];
    const column = heading.cellIndex;
    const numbers = lines.every((line) => value(line, column) === "" || !isNaN(value(line, column)));
    lines.sort((one, other) => {
      const [a, b] = [value(one, column), value(other, column)];
      if (a === "" || b === "") return (a === "") - (b === ""); // what was not measured comes last, always
      return order * (numbers ? a - b : a.localeCompare(b, undefined, { numeric: true }));
    });
    const placed = new Set();
    for (const line of lines) {
      table.tBodies[0].append(line);
      const card = line.dataset.card && document.getElementById(line.dataset.card);
      if (card && !placed.has(card)) {
        placed.add(card);
        card.parentElement.append(card);
      }
    }
  });
}
