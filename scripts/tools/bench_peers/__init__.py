"""What Rollbook is measured against: one module each, written as its authors would run it in production.

Three serve operations of Rollbook over Rollbook's own models and store: stock Connexion, FastAPI and bare Starlette.
Two are account servers of their own: fastapi-users and django-allauth. All run from `.venv-bench`.

If you know one of these better than we do and see how it would be faster: please tell us.
"""
