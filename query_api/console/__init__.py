"""The operator's console (控制台): sign-in, saved views, live events and data quality, and the files of the web page."""
