"""Transfer Lab in the browser: ``streamlit run app.py``."""

from pathlib import Path

import streamlit as st

st.set_page_config(page_title="Transfer Lab", page_icon=":material/move_down:", layout="wide")
st.logo(Path(__file__).with_name("static") / "logo.svg", size="large")

st.navigation(
    [
        st.Page("pages/dataset.py", title="Dataset", icon=":material/dataset:", default=True),
        st.Page("pages/strategy.py", title="Strategy", icon=":material/alt_route:"),
        st.Page("pages/training.py", title="Training", icon=":material/monitoring:"),
        st.Page("pages/results.py", title="Results", icon=":material/fact_check:"),
        st.Page("pages/runs.py", title="Runs", icon=":material/list:"),
    ],
    position="top",
).run()
