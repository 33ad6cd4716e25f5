// What the scripts of all pages use.

const $ = (id) => document.getElementById(id);
const full = (count) => count.toLocaleString("en");

function make(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(options)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "style") element.style.cssText = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

function short(count) {
  for (const [power, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (count >= 0.9995 * power) return (count / power).toPrecision(3) + unit;
  }
  return String(count);
}
