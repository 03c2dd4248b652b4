"""Transfer Lab in the browser: ``streamlit run app.py``."""

from pathlib import Path

import streamlit as st

PICTURES = Path(__file__).with_name("static")

# A file for the tab's icon too: a Material icon there would be fetched from elsewhere at every visit.
st.set_page_config(page_title="Transfer Lab", page_icon=str(PICTURES / "icon.svg"), layout="wide")
st.logo(PICTURES / "logo.svg", size="large")

st.navigation(
    [
        st.Page("pages/dataset.py", title="Dataset", icon=":material/dataset:", default=True),
        st.Page("pages/intake.py", title="Your data", icon=":material/upload_file:"),
        st.Page("pages/health.py", title="Health check", icon=":material/health_metrics:", visibility="hidden"),
        st.Page("pages/advice.py", title="Advice", icon=":material/lightbulb:"),
        st.Page("pages/strategy.py", title="Strategy", icon=":material/alt_route:"),
        st.Page("pages/training.py", title="Training", icon=":material/monitoring:"),
        st.Page("pages/race.py", title="Race", icon=":material/flag:"),
        st.Page("pages/results.py", title="Results", icon=":material/fact_check:"),
        st.Page("pages/runs.py", title="Runs", icon=":material/list:"),
    ],
    position="top",
).run()
