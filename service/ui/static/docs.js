// Shows the description that the page names. Nothing is fetched from anywhere else.
window.addEventListener("load", () => {
  const viewer = document.getElementById("viewer");
  SwaggerUIBundle({
    domNode: viewer,
    url: viewer.dataset.document,
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
  });
});
