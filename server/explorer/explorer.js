// Opens Swagger UI on the contract that the page names.
const explorer = document.getElementById("explorer");

SwaggerUIBundle({
  domNode: explorer,
  url: explorer.dataset.spec,
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
