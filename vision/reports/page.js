"use strict";
// A click on the name of a column sorts by it, numbers from the largest; a second click turns the order.
for (const table of document.querySelectorAll("table")) {
  const names = table.tHead ? [...table.tHead.rows[0].cells] : [];
  names.forEach((name, column) => {
    const isNumber = name.classList.contains("number");
    const key = (row) => {
      const text = row.cells[column].textContent;
      return isNumber ? (Number.isNaN(parseFloat(text)) ? -Infinity : parseFloat(text)) : text;
    };
    const sort = () => {
      const turns = name.getAttribute("aria-sort") === (isNumber ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const order = isNumber ? key(b) - key(a) || 0 : key(a).localeCompare(key(b), undefined, { numeric: true });
        return turns ? -order : order;
      });
      table.tBodies[0].append(...rows);
      names.forEach((other) => other.removeAttribute("aria-sort"));
      name.setAttribute("aria-sort", isNumber === turns ? "ascending" : "descending");
    };
    name.tabIndex = 0;
    name.addEventListener("click", sort);
    name.addEventListener("keydown", (event) => event.key === "Enter" && sort());
  });
}
// A slider shows precision, recall and F1 of each label at one threshold for all.
for (const part of document.querySelectorAll(".slider")) {
  const steps = JSON.parse(part.dataset.steps);
  const [input, output] = [part.querySelector("input"), part.querySelector("output")];
  const rows = [...part.querySelector("tbody").rows];
  const show = () => {
    const step = Number(input.value);
    output.textContent = (step / (steps.length - 1)).toFixed(2);
    steps[step].forEach(([right, wrong, missed], label) => {
      const [precision, recall] = [right / (right + wrong), right / (right + missed)];
      const ratios = [precision, recall, (2 * right) / (2 * right + wrong + missed)];
      const texts = ratios.map((ratio) => (Number.isNaN(ratio) ? "\u2013" : `${(100 * ratio).toFixed(1)} %`));
      const row = rows.find((one) => Number(one.dataset.label) === label);
      [...texts, right, wrong, missed].forEach((text, place) => {
        row.cells[place + 1].textContent = text;
      });
    });
  };
  input.addEventListener("input", show);
  part.hidden = false;
  show();
}
