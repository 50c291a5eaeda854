"""Build the documentation site: `scripts/docs`."""

from scripts.tools.docs.site import BUILD, build

if __name__ == "__main__":
    build(BUILD / "site")
    print(f"{BUILD / 'site/index.html'}")
