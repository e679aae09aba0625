(() => {
  "use strict";
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const options = { displayModeBar: false, responsive: true };

  const draw = () => {
    const scheme = dark.matches ? "dark" : "light";
    for (const [id, schemes] of Object.entries(figures)) {
      const figure = schemes[scheme];
      Plotly.react(id, figure.data, figure.layout, options);
    }
  };

  dark.addEventListener("change", draw);
  draw();
})();
